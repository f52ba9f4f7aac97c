/** `wsdaemon top`. */

import { Command } from "commander";
import type { Operation } from "../../wire/mod.ts";
import { addConnectionFlags, type Session, withSession } from "../client/connect.ts";
import { printJson, printText } from "../io.ts";
import { systemClock } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import { terminalSize } from "../terminal.ts";
import { nodeOf } from "./node.ts";
import { frame } from "./frame.ts";

const EXAMPLES = `
Shows what runs on the node, with bars where it is known how much there is to do; failures of the last
ten minutes stay on top. It is redrawn in place at each change, and every second. Ctrl-C ends it, and
nothing else. Where stdout is no terminal, one picture is printed.

Examples:
    $ wsdaemon top
    $ wsdaemon top --once
`;

/** Seconds from one picture to the next, at most. */
const INTERVAL = { seconds: 1n };
/** Milliseconds before a daemon that went away is asked again. */
const RETRY_DELAY = 1_000;
/** Operations that have ended and are remembered here. */
const MAX_ENDED = 200;

/** Control sequences: another screen without a cursor, back, and to the top left. */
const BEGIN = "\x1b[?1049h\x1b[?25l";
const END = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

/** Returns `top`. */
export function topCommand(): Command {
  return addConnectionFlags(new Command("top"))
    .option("--once", "print one picture and end")
    .addHelpText("after", EXAMPLES)
    .action(async ({ once = false }: { once?: boolean }, command: Command) => {
      await withSession(command, async (session) => {
        if (once || !Deno.stdout.isTerminal()) await printOnce(session);
        else await redraw(session);
      });
    });
}

async function printOnce(session: Session): Promise<void> {
  const { operations: client, call, json } = session;
  const node = await nodeOf(client, call);
  const { operations } = await client.call("watchOperations", {}, call);
  if (json) {
    const { operationToJson } = await import("../../client/mod.ts");
    return printJson(operations.map(operationToJson));
  }
  const size = { columns: Infinity, rows: Infinity };
  printText(
    frame({ address: session.operationsAddress, operations, now: Date.now(), node }, size)
      .map((line) => `${line}\n`).join(""),
  );
}

/**
 * Redraws until the session is interrupted. A daemon that goes away is asked again every second.
 * @throws {ClientError} where the first question fails
 */
async function redraw(
  { operations: client, call, operationsAddress: address, interrupted }: Session,
): Promise<void> {
  const shown = new Map<string, Operation>();
  let { revision, operations } = await client.call("watchOperations", {}, call);
  let node = await nodeOf(client, call);
  let problem: string | undefined;
  const options = { ...call, signal: interrupted };
  printText(BEGIN);
  try {
    while (!interrupted.aborted) {
      takeOver(shown, operations);
      const view = { address, operations: [...shown.values()], now: Date.now(), node, problem };
      draw(frame(view, terminalSize()));
      try {
        const request = { revision, maxWait: INTERVAL };
        ({ revision, operations } = await client.call(
          "watchOperations",
          request,
          options,
        ));
        node = await nodeOf(client, options);
        problem = undefined;
      } catch (error) {
        problem = messageOf(error);
        operations = [];
        await systemClock.sleep(RETRY_DELAY, interrupted).catch(() => {});
      }
    }
  } finally {
    printText(END);
  }
}

/** Replaces what runs, and adds what has ended, of which the last are kept. */
function takeOver(shown: Map<string, Operation>, told: readonly Operation[]): void {
  for (const [id, { endTime }] of shown) if (!endTime) shown.delete(id);
  for (const operation of told) shown.set(operation.id, operation);
  const ended = [...shown.values()].filter(({ endTime }) => endTime);
  for (const { id } of ended.slice(0, Math.max(0, ended.length - MAX_ENDED))) shown.delete(id);
}

function draw(lines: readonly string[]): void {
  printText(HOME + lines.map((line) => `${line}${CLEAR_LINE}\r\n`).join("") + CLEAR_BELOW);
}
