/** Runs command lines in this very process, which is many times faster than one of their own. */

import { joinBytes } from "../../src/archive/bytes.ts";
import { runCommandLine } from "../../src/cli/program.ts";
import type { Outcome } from "./fixture.ts";

let last: Promise<unknown> = Promise.resolve();

/** Runs one command line after the other. Its standard streams are no terminal. */
export function inProcess(...args: string[]): Promise<Outcome> {
  const outcome = last.then(() => run(args));
  last = outcome.catch(() => {});
  return outcome;
}

async function run(args: readonly string[]): Promise<Outcome> {
  const stdout = capture(Deno.stdout);
  const stderr = capture(Deno.stderr);
  try {
    const code = await runCommandLine(args);
    return { code, stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    stdout.restore();
    stderr.restore();
  }
}

function capture(stream: typeof Deno.stdout) {
  const chunks: Uint8Array[] = [];
  const take = (bytes: Uint8Array) => {
    chunks.push(bytes.slice());
    return bytes.length;
  };
  const replaced = {
    write: (bytes: Uint8Array) => Promise.resolve(take(bytes)),
    writeSync: take,
    isTerminal: () => false,
  };
  Object.assign(stream, replaced);
  return {
    text: () => new TextDecoder().decode(joinBytes(...chunks)),
    restore() {
      // What is left is the prototype's.
      for (const name of Object.keys(replaced)) Reflect.deleteProperty(stream, name);
    },
  };
}
