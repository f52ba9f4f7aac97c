/** Asks before what cannot be undone. */

import type { Command } from "commander";
import { Failure } from "./failure.ts";
import { printErrorText } from "./io.ts";

/** Bytes of an answer that are looked at. */
const MAX_ANSWER = 64;

/**
 * Returns once somebody on a terminal has said yes.
 * @param question what is done then, as a sentence
 * @throws {Failure} where the answer is another one; ends with a usage error where nobody can be asked
 */
export function confirm(question: string, command: Command): void {
  if (!Deno.stdin.isTerminal()) {
    command.error(
      "error: nobody can be asked, as stdin is no terminal: say --yes to do it all the same",
    );
  }
  printErrorText(`${question} [y/N] `);
  const buffer = new Uint8Array(MAX_ANSWER);
  const read = Deno.stdin.readSync(buffer) ?? 0;
  const answer = new TextDecoder().decode(buffer.subarray(0, read)).trim();
  if (!/^y(es)?$/i.test(answer)) throw new Failure("Nothing was done: the answer was not yes");
}
