/** One picture of `wsdaemon top`: failures first, then what runs, then what has ended. */

import { type Node, type Operation, OperationState } from "../../wire/mod.ts";
import {
  asTree,
  describeProgress,
  describeState,
  elapsedOf,
  failureWords,
  fractionOf,
  kindName,
  outcomeName,
  printable,
  timeOf,
} from "./format.ts";
import { problemLines } from "./node.ts";
import { bar, type Size } from "../terminal.ts";

/** What a picture shows. */
export interface View {
  address: string;
  operations: readonly Operation[];
  /** Milliseconds since the epoch. */
  now: number;
  /** The node itself, where the daemon tells of it. */
  node?: Node | undefined;
  /** Why the daemon does not answer. */
  problem?: string | undefined;
}

/** Milliseconds that a failure stays on top. */
const FAILURE_TIME = 10 * 60_000;
/** Characters of a bar. */
const BAR = 20;

/** Returns the lines of a picture, cut to a terminal's size. */
export function frame(
  { address, operations, now, node, problem }: View,
  { columns, rows }: Size,
): string[] {
  const running = operations.filter(({ state }) => state === OperationState.RUNNING);
  const roots = operations.filter(({ state, parentId }) =>
    state !== OperationState.RUNNING && parentId === ""
  );
  const byEnd = (a: Operation, b: Operation) => (timeOf(b.endTime) ?? 0) - (timeOf(a.endTime) ?? 0);
  const failed = roots.filter(({ state, endTime }) =>
    state === OperationState.FAILED && now - (timeOf(endTime) ?? 0) < FAILURE_TIME
  ).sort(byEnd);
  const ended = roots.filter((one) => !failed.includes(one)).sort(byEnd);
  const waiting = running.filter(({ queuePosition }) => queuePosition !== undefined).length;
  const started = running.filter(({ parentId }) => parentId === "").length;
  const time = new Date(now).toISOString().slice(11, 19);
  const lines = [
    `${address}  ${time}Z  ${started} running, ${waiting} waiting, ${failed.length} failed lately`,
    problem === undefined ? "" : `NO ANSWER: ${printable(problem)}`,
    ...problemLines(node, now).map((line) => `PROBLEM ${line}`),
    ...failed.map((one) => `FAILED ${label(one, 0)}  ${failureWords(one)}`),
    ...failed.length + (node?.problems.length ?? 0) > 0 ? [""] : [],
    ...asTree(running).map(({ operation, depth }) => runningLine(operation, depth, now)),
    ...running.length > 0 && ended.length > 0 ? [""] : [],
    ...ended.map((one) =>
      `${outcomeName(one.state).padEnd(BAR + 7)}  ${label(one, 0)}  ${elapsedOf(one, now)}  ${
        describeProgress(one)
      }`
    ),
  ];
  // The cursor stands in the last line.
  return lines.slice(0, Math.max(1, rows - 1)).map((line) => line.trimEnd().slice(0, columns));
}

function runningLine(operation: Operation, depth: number, now: number): string {
  const details = [
    describeState(operation),
    describeProgress(operation),
    elapsedOf(operation, now),
    // Of what is tried again.
    failureWords(operation),
  ].filter((part) => part !== "").join("  ");
  const fraction = fractionOf(operation);
  // Dots where it is not known how much there is to do.
  const drawn = fraction === undefined ? `[${".".repeat(BAR)}]     ` : bar(fraction, BAR);
  return `${drawn}  ${label(operation, depth)}  ${details}`;
}

function label({ id, kind, workspaceId }: Operation, depth: number): string {
  return `${id}  ${`${"  ".repeat(depth)}${kindName(kind)} ${workspaceId}`.padEnd(24)}`;
}
