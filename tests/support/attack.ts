/** A hostile process in a workspace. */

import { fromFileUrl } from "@std/path";
import { PYTHON } from "./python.ts";

export interface Attack {
  /** Ends the process. @returns how many swaps it made */
  stop(): Promise<number>;
}

/**
 * Starts a process that swaps the two names of each pair in a tight loop, in the folder and wherever
 * the folder is moved to; resolves once it does so.
 */
export async function startAttack(
  folder: string,
  pairs: readonly (readonly [string, string])[],
): Promise<Attack> {
  const script = fromFileUrl(new URL("./attack.py", import.meta.url));
  const child = new Deno.Command(PYTHON, {
    args: [script, folder, ...pairs.map((pair) => pair.join(":"))],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const ready = await lines.read();
  if (ready.value?.trim() !== "ready") throw new Error(`the attack did not start: ${ready.value}`);
  return {
    async stop() {
      await child.stdin.close();
      let text = "";
      for (let read = await lines.read(); !read.done; read = await lines.read()) text += read.value;
      await child.status;
      return Number(text);
    },
  };
}
