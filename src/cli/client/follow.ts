/** Shows on a terminal how far a call's work is while the call waits. */

import { type Operation, OperationState } from "../../wire/mod.ts";
import { describeProgress, describeState, fractionOf, kindName } from "../operations/format.ts";
import { Progress, type ProgressLine } from "../progress.ts";
import type { Session } from "./connect.ts";

/** From one drawing to the next, at most. */
const INTERVAL = { nanos: 200_000_000 };

/**
 * Makes a call that works on a workspace, and returns or throws what it does. What the daemon does for
 * it meanwhile is drawn on stderr, where that is a terminal and nobody wants it quiet.
 */
export async function followed<T>(
  session: Session,
  workspaceId: string,
  call: () => Promise<T>,
): Promise<T> {
  session.workspaceId = workspaceId;
  if (session.quiet || session.json || !Deno.stderr.isTerminal()) return await call();
  const done = new AbortController();
  const drawing = draw(session, workspaceId, done.signal);
  try {
    return await call();
  } finally {
    done.abort();
    await drawing;
  }
}

async function draw(
  { operations, interrupted }: Session,
  workspaceId: string,
  done: AbortSignal,
): Promise<void> {
  const signal = AbortSignal.any([done, interrupted]);
  using progress = new Progress();
  let revision = "";
  try {
    while (!signal.aborted) {
      const request = { revision, maxWait: INTERVAL };
      const answer = await operations.call("watchOperations", request, { signal });
      revision = answer.revision;
      const line = lineOf(answer.operations.filter((one) => one.workspaceId === workspaceId));
      if (line) progress.update(line);
    }
  } catch {
    // Progress is optional: the call's own error says what is wrong.
  }
}

/** Returns the line for what runs on a workspace: the last step's phase, and the progress of the whole. */
export function lineOf(operations: readonly Operation[]): ProgressLine | undefined {
  const running = operations.filter(({ state }) => state === OperationState.RUNNING);
  const whole = running.findLast(({ parentId }) => parentId === "");
  const last = running.at(-1);
  if (!whole || !last) return undefined;
  const fraction = fractionOf(whole);
  return {
    doing: kindName(whole.kind),
    ...(fraction === undefined ? {} : { fraction }),
    detail: [describeState(last), describeProgress(whole)].filter((part) => part !== "").join(", "),
  };
}
