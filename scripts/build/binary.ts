/** Makes one executable of a bundle and Deno's base runtime. */

import { walk } from "@std/fs";
import { join } from "@std/path";
import type { Build } from "../../src/program_files.ts";
import { V8_FLAGS } from "../daemon_process.ts";
import type { Arch } from "./runtime.ts";

/** Options of {@link makeBinary}. */
export interface BinaryOptions {
  /** The bundle's folder, to which the record of the build is added. */
  readonly bundle: string;
  /** Path of its main module. */
  readonly main: string;
  readonly build: Build;
  /** Path of the executable; its folder must be there. */
  readonly output: string;
  /** Path of denort; the one that Deno downloads for this version of it unless given. */
  readonly denort?: string;
  /** The processor that it is for; this machine's unless given. */
  readonly arch?: Arch;
}

/** Writes the executable. @throws {Error} where Deno cannot, having said why */
export async function makeBinary(options: BinaryOptions): Promise<void> {
  const { bundle, main, build, output, denort, arch } = options;
  await Deno.writeTextFile(join(bundle, "build.json"), `${JSON.stringify(build)}\n`);
  await setTimes(bundle, build.date === undefined ? 0 : Date.parse(build.date) / 1000);
  // Deno overwrites no program but one that it has made.
  await Deno.remove(output).catch(() => {});
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      // The process that gives the Workers their permissions must have them all.
      "--allow-all",
      "--no-prompt",
      "--no-check",
      // It would be read from a name in /tmp that anybody may have taken before, and saves 4% of a start.
      "--no-code-cache",
      // All that deno.json says is in the bundle, or here.
      "--no-config",
      "--unstable-worker-options",
      V8_FLAGS,
      ...(arch === undefined ? [] : ["--target", `${arch}-unknown-linux-gnu`]),
      "--include",
      bundle,
      "--output",
      output,
      main,
    ],
    env: {
      // On a thread's usual 2 MB, Deno 2.8.3 now and then overflows its stack while it compiles.
      RUST_MIN_STACK: String(32 * 1024 * 1024),
      ...(denort === undefined ? {} : { DENORT_BIN: denort }),
    },
    stdout: "null",
  }).spawn().status;
  if (success) return;
  const hint = denort ? "" : '; where its runtime cannot be downloaded, use "task compile:npm"';
  throw new Error(`deno compile failed and ${output} was not made${hint}`);
}

/** Gives every file below a folder that time in seconds since the epoch: the executable carries it. */
async function setTimes(folder: string, seconds: number): Promise<void> {
  for await (const { path } of walk(folder)) await Deno.utime(path, seconds, seconds);
}
