/**
 * Makes `dist/wsdaemon`, one executable with everything in it. Deno downloads its base runtime
 * (denort) for that; `--denort FILE` has one that is there already. With `--npm`, for where only the npm
 * registry is reachable, it is a program that unpacks itself and Deno, and on aarch64, for which npm
 * lacks this Deno, an executable of an older base runtime.
 */

import { fromFileUrl, join } from "@std/path";
import { makeBinary } from "./build/binary.ts";
import { buildRecord } from "./build/build_record.ts";
import { bundle } from "./build/bundle.ts";
import { makeNpmProgram } from "./build/npm_program.ts";
import type { Arch } from "./build/runtime.ts";

const DIST = fromFileUrl(new URL("../dist", import.meta.url));

function thisArch(): Arch {
  const { os, arch } = Deno.build;
  if (os === "linux" && (arch === "x86_64" || arch === "aarch64")) return arch;
  throw new Error("compile:npm has runtimes for Linux on x86_64 and aarch64; use compile");
}

async function compile([flag, file]: readonly string[]): Promise<void> {
  const folder = join(DIST, "bundle");
  const program = {
    bundle: folder,
    main: await bundle(folder),
    build: await buildRecord(),
    output: join(DIST, "wsdaemon"),
  };
  if (flag === "--npm") await makeNpmProgram({ ...program, arch: thisArch() });
  else await makeBinary({ ...program, ...(flag === "--denort" && file ? { denort: file } : {}) });
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
