/** The node itself, for terminals. */

import type { CallOptions, OperationsClient } from "../../client/mod.ts";
import { formatSize, formatSpan } from "../../config/mod.ts";
import type { Node } from "../../wire/mod.ts";
import { printable, timeOf } from "./format.ts";

/** Returns the node; `undefined` where the daemon is of a version that tells nothing of it. */
export async function nodeOf(
  client: OperationsClient,
  call: CallOptions,
): Promise<Node | undefined> {
  try {
    return (await client.call("getNode", {}, call)).node;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "UNIMPLEMENTED") {
      return undefined;
    }
    throw error;
  }
}

/** Returns what is wrong with a node, a line each, the worst first. */
export function problemLines(node: Node | undefined, now: number): string[] {
  return (node?.problems ?? []).map(({ reason, part, message, since }) => {
    const from = timeOf(since);
    const span = from === undefined ? "" : `, for ${formatSpan(now - from)}`;
    return `${printable(reason)} (${printable(part)}${span}): ${printable(message)}`;
  });
}

/** Returns facts about a node as rows of a table, its problems first. */
export function nodeFacts(node: Node, now: number): string[][] {
  const { version, deno, ready, store, disks, certificates, startTime } = node;
  const up = formatSpan(now - (timeOf(startTime) ?? now));
  return [
    ["node", `${ready ? "ready" : "NOT READY"}, wsdaemon ${version} (Deno ${deno}), up for ${up}`],
    ...problemLines(node, now).map((line) => ["problem", line]),
    ["store", printable(store)],
    ...disks.map(({ area, freeBytes, sizeBytes }) => [
      `disk of ${printable(area)}`,
      `${formatSize(Number(freeBytes))} of ${formatSize(Number(sizeBytes))} free`,
    ]),
    ...certificates.map(({ part, path, subject, expireTime }) => [
      part === "cert" ? "certificate" : "authority",
      `${printable(subject)} in ${printable(path)}, ${endWords(timeOf(expireTime) ?? now, now)}`,
    ]),
  ];
}

function endWords(end: number, now: number): string {
  return end <= now ? "has expired" : `ends in ${formatSpan(end - now)}`;
}
