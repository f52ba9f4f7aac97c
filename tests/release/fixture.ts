/** The files that `deno task release:npm` has made. */

import { existsSync } from "@std/fs";
import { fromFileUrl, join } from "@std/path";
import manifest from "../../deno.json" with { type: "json" };

export const RELEASE = fromFileUrl(new URL("../../dist/release", import.meta.url));
export const { version } = manifest;

/** Why the files of a release are not tested here; `undefined` where they are. */
export function releaseProblem(): string | undefined {
  if (Deno.env.get("WSDAEMON_RELEASE") !== "1") return "a task of its own: deno task test:release";
  return existsSync(join(RELEASE, "SHA256SUMS")) ? undefined : "there is no dist/release";
}

export interface Ran {
  readonly code: number;
  readonly output: string;
}

/** Runs a program. */
export async function ran(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    ...options,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Runs a program. @throws with what it said where it fails */
export async function succeeds(...args: Parameters<typeof ran>): Promise<string> {
  const { code, output } = await ran(...args);
  if (code !== 0) throw new Error(`${args[0]} ${args[1].join(" ")} ended with ${code}:\n${output}`);
  return output;
}
