/**
 * Finds the files that belong to wsdaemon itself: the modules of its Workers, .proto files of packages,
 * and what a program says of its making. From source they are where the sources and Deno's cache are; a
 * bundle has them beside its main module, where `scripts/build/bundle.ts` has put them. A bundle is in a
 * binary, or a folder beside Deno (`scripts/build/program.ts`).
 *
 * For the main thread: a Worker has a main module of its own.
 */

import { fromFileUrl } from "@std/path";

/** What a program was made of. */
export interface Build {
  /** The commit, with `-dirty` where more had changed; "source" where wsdaemon runs from its sources. */
  readonly revision: string;
  /** When that commit was made, in ISO 8601 and UTC; absent where nobody knows. */
  readonly date?: string;
}

/** Whether this is a bundle: that has JavaScript where the sources have TypeScript. */
const IS_BUNDLE = import.meta.url.endsWith(".js");

/** Returns the folder of the sources, or of the bundle unless it is in a binary. */
export function programFolder(): string | undefined {
  if (Deno.build.standalone) return undefined;
  return fromFileUrl(IS_BUNDLE ? new URL(".", Deno.mainModule) : new URL("../", import.meta.url));
}

/**
 * Returns Deno's cache, in which modules that a Worker is the first to load are compiled and kept;
 * `undefined` for a bundle, which needs none.
 */
export function compilerCache(): string | undefined {
  if (IS_BUNDLE) return undefined;
  const npm = fromFileUrl(import.meta.resolve("@grpc/grpc-js"));
  return npm.slice(0, npm.lastIndexOf("/npm/"));
}

/** Returns the module of a Worker: `src/<module>/worker.ts`. */
export function workerModule(module: "content" | "daemon"): URL {
  if (!IS_BUNDLE) return new URL(`./${module}/worker.ts`, import.meta.url);
  return new URL(`./src/${module}/worker.js`, Deno.mainModule);
}

/** Returns the folders of the packages' own .proto files, which health and reflection read when they start. */
export function protoFolders(): string[] {
  const urls = IS_BUNDLE ? [new URL("./proto", Deno.mainModule)] : [
    new URL("../../proto", import.meta.resolve("grpc-health-check")),
    new URL("../proto", import.meta.resolve("@grpc/reflection")),
  ];
  return urls.map(fromFileUrl);
}

/** Returns what this program was made of. */
export function readBuild(): Build {
  if (!IS_BUNDLE) return { revision: "source" };
  return JSON.parse(Deno.readTextFileSync(new URL("./build.json", Deno.mainModule)));
}
