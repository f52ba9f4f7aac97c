/** Makes a program of a bundle and the best runtime that npm has for a processor. */

import { type BinaryOptions, makeBinary } from "./binary.ts";
import { type Arch, DENO_RUNTIME, NPM_RUNTIME, npmDeno, npmRuntime } from "./runtime.ts";
import { makeUnpackingProgram } from "./unpacking.ts";

/** What a program was made to run on. */
export interface UsedRuntime {
  readonly name: "deno" | "denort";
  readonly version: string;
  /** Path of its file. */
  readonly path: string;
}

/**
 * Writes a program that unpacks itself where npm has Deno 2.8.3 for the processor; elsewhere an
 * executable on an older base runtime, which has limits (docs/operations.md, Installing).
 */
export async function makeNpmProgram(
  options: Omit<BinaryOptions, "denort"> & { arch: Arch },
): Promise<UsedRuntime> {
  const deno = await npmDeno(options.arch);
  if (deno !== undefined) {
    await makeUnpackingProgram({ ...options, deno });
    return { name: "deno", version: DENO_RUNTIME, path: deno };
  }
  const denort = await npmRuntime(options.arch);
  await makeBinary({ ...options, denort });
  return { name: "denort", version: NPM_RUNTIME, path: denort };
}
