/**
 * Finds the files that belong to wsdaemon itself: the modules of its Workers, .proto files of packages,
 * and what a binary says of its making. From source they are where the sources and Deno's cache are; a
 * binary has them beside its main module, where `scripts/build/bundle.ts` has put them.
 *
 * For the main thread: a Worker has a main module of its own.
 */

import { fromFileUrl } from "@std/path";

/** What a binary was made of. */
export interface Build {
  /** The commit, with `-dirty` where more had changed; "source" where wsdaemon runs from its sources. */
  readonly revision: string;
  /** When that commit was made, in ISO 8601 and UTC; absent where nobody knows. */
  readonly date?: string;
}

/** Returns the module of a Worker: `src/<module>/worker.ts`. */
export function workerModule(module: "content" | "daemon"): URL {
  if (!Deno.build.standalone) return new URL(`./${module}/worker.ts`, import.meta.url);
  return new URL(`./src/${module}/worker.js`, Deno.mainModule);
}

/** Returns the folders of the packages' own .proto files, which health and reflection read when they start. */
export function protoFolders(): string[] {
  const urls = Deno.build.standalone ? [new URL("./proto", Deno.mainModule)] : [
    new URL("../../proto", import.meta.resolve("grpc-health-check")),
    new URL("../proto", import.meta.resolve("@grpc/reflection")),
  ];
  return urls.map(fromFileUrl);
}

/** Returns what this binary was made of. */
export function readBuild(): Build {
  if (!Deno.build.standalone) return { revision: "source" };
  return JSON.parse(Deno.readTextFileSync(new URL("./build.json", Deno.mainModule)));
}
