/** Runs wsdaemon from source, as a shell would. */

import { FROM_SOURCE } from "../../scripts/daemon_process.ts";

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env?: Record<string, string>;
  /** What it reads from stdin; nothing unless given. */
  input?: string;
  /** Ends it. */
  signal?: AbortSignal;
  /** How wsdaemon is run; from source unless given. */
  command?: readonly string[];
  /** What a shell does before it, and then it as `"$@"`. */
  shell?: string;
}

/** Runs one command line to its end. */
export async function wsdaemon(
  args: readonly string[],
  { env = {}, input, signal, shell, command = FROM_SOURCE }: RunOptions = {},
): Promise<Outcome> {
  const under = shell === undefined ? [] : ["sh", "-c", shell, "sh"];
  const [program, ...before] = [...under, ...command];
  const child = new Deno.Command(program!, {
    args: [...before, ...args],
    env: { NO_COLOR: "1", ...env },
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...(signal ? { signal } : {}),
  }).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
