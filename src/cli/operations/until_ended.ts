/** Waits for an operation that a command has begun. */

import { type Operation, OperationState } from "../../wire/mod.ts";
import type { Session } from "../client/connect.ts";
import { lineOf } from "../client/follow.ts";
import { EXIT, Failure } from "../failure.ts";
import { Progress } from "../progress.ts";
import { kindName, outcomeName, printable } from "./format.ts";

/** From one drawing to the next, at most. */
const DRAWN = { nanos: 200_000_000 };
/** From one question to the next where nothing is drawn, at most. */
const UNSEEN = { seconds: 60n };

/**
 * Waits until an operation has ended, and draws how far it is where somebody sees that. The session knows
 * from then on what it waits for.
 * @returns it as it ended, however that was
 */
export async function untilEnded(began: Operation, session: Session): Promise<Operation> {
  const { operations, call, until, quiet, json } = session;
  const { id } = began;
  session.operationId = id;
  const isDrawn = !quiet && !json && Deno.stderr.isTerminal();
  using progress = new Progress(isDrawn);
  let operation = began;
  let revision = "";
  while (operation.state === OperationState.RUNNING) {
    const line = lineOf([operation]);
    if (line) progress.update(line);
    const left = until === undefined ? {} : { deadline: Math.max(1, until - Date.now()) };
    const options = { ...call, ...left };
    const request = { revision, maxWait: isDrawn ? DRAWN : UNSEEN };
    ({ revision } = await operations.call("watchOperations", request, options));
    // It has all findings, of which an answer with many operations has the first ones.
    const found = await operations.call("getOperation", { id }, options);
    operation = found.operation ?? operation;
  }
  return operation;
}

/**
 * Waits as {@link untilEnded} does.
 * @returns the operation as it ended
 * @throws {Failure} where it has not succeeded, with its code and reason
 */
export async function untilSucceeded(began: Operation, session: Session): Promise<Operation> {
  const operation = await untilEnded(began, session);
  if (operation.state === OperationState.SUCCEEDED) return operation;
  throw failureOf(operation);
}

function failureOf(operation: Operation): Failure {
  const { state, kind, id, failure } = operation;
  const exitCode = state === OperationState.CANCELLED ? EXIT.cancelled : EXIT.failure;
  const { code, reason, message = `it has ${outcomeName(state)}` } = failure ?? {};
  return new Failure(`${kindName(kind)} ${id}: ${printable(message)}`, { code, reason, exitCode });
}
