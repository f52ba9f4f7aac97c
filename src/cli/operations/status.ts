/** `wsdaemon status`. */

import { Command } from "commander";
import {
  type GetSnapshotResponse,
  type Operation,
  OperationState,
  SnapshotState,
  type Workspace,
} from "../../wire/mod.ts";
import { formatSize, formatSpan } from "../../config/mod.ts";
import { addConnectionFlags, type Session, withSession } from "../client/connect.ts";
import { printJson, printLine, table } from "../io.ts";
import {
  asTree,
  describeState,
  elapsedOf,
  failureWords,
  kindName,
  lastImage,
  OPERATION_HEADINGS,
  operationRow,
  printable,
  stateName,
  timeOf,
} from "./format.ts";
import { nodeFacts, nodeOf } from "./node.ts";

const EXAMPLES = `
Without an argument, the node: whether it is ready, what is wrong with it, workspaces by state, what
runs, what has failed lately. With a workspace's id, that workspace, what it takes on disk, and what
ran on it. With a snapshot's url, whether it is stored, pending or given up.

Examples:
    $ wsdaemon status
    $ wsdaemon status w1
    $ wsdaemon status wsdaemon:snapshot/alice/notes/20260101T120000Z-0123456789abcdef
`;

/** Operations that have ended and are shown of a workspace. */
const MAX_SHOWN = 20;

/** Returns `status`. */
export function statusCommand(): Command {
  return addConnectionFlags(new Command("status"))
    .argument("[what]", "a workspace's id or a snapshot's url; the node unless given")
    .addHelpText("after", EXAMPLES)
    .action(async (what: string | undefined, _options: unknown, command: Command) => {
      await withSession(command, async (session) => {
        if (what === undefined) await showNode(session);
        else if (what.startsWith("wsdaemon:")) await showSnapshot(what, session);
        else await showWorkspace(what, session);
      });
    });
}

async function showNode({ operations, call, json }: Session): Promise<void> {
  const node = await nodeOf(operations, call);
  const states = new Map<string, number>();
  for await (const { state } of operations.workspaces({}, call)) {
    states.set(stateName(state), (states.get(stateName(state)) ?? 0) + 1);
  }
  const roots = await Array.fromAsync(operations.operations({ rootsOnly: true }, call));
  const running = roots.filter(({ state }) => state === OperationState.RUNNING);
  const failed = roots.filter(({ state }) => state === OperationState.FAILED);
  if (json) {
    const { nodeToJson, operationToJson } = await import("../../client/mod.ts");
    return printJson({
      ...node ? { node: nodeToJson(node) } : {},
      workspaces: Object.fromEntries(states),
      running: running.map(operationToJson),
      failed: failed.map(operationToJson),
    });
  }
  const now = Date.now();
  const counts = [...states].map(([state, count]) => `${count} ${state}`).join(", ") || "none";
  printLine(table([
    ...node ? nodeFacts(node, now) : [],
    ["workspaces", counts],
    ["running", `${running.length}`],
    ["failed", failed.length === 0 ? "none" : `${failed.length}, the last ones:`],
    ...failed.slice(-MAX_SHOWN).reverse().map((one) => ["", failureLine(one, now)]),
  ]));
}

function failureLine(operation: Operation, now: number): string {
  const ended = formatSpan(now - (timeOf(operation.endTime) ?? now));
  const { kind, workspaceId, id } = operation;
  return `${ended} ago, ${kindName(kind)} ${workspaceId} (${id}): ${failureWords(operation)}`;
}

async function showWorkspace(
  id: string,
  { operations: client, call, json }: Session,
): Promise<void> {
  const { workspace } = await client.call("getWorkspace", { id, measure: true }, call);
  const operations = await Array.fromAsync(client.operations({ workspaceId: id }, call));
  if (json) {
    const { operationToJson, workspaceToJson } = await import("../../client/mod.ts");
    return printJson({
      ...workspace ? workspaceToJson(workspace) as Record<string, unknown> : {},
      operations: operations.map(operationToJson),
    });
  }
  const now = Date.now();
  if (workspace) printLine(table(workspaceFacts(workspace, now)));
  const ended = operations.filter(({ state }) => state !== OperationState.RUNNING);
  const shown = operations.filter((one) =>
    !ended.includes(one) || ended.indexOf(one) >= ended.length - MAX_SHOWN
  );
  if (shown.length === 0) return;
  const rows = asTree(shown).map(({ operation, depth }) => operationRow(operation, depth, now));
  printLine(`\n${table([OPERATION_HEADINGS, ...rows])}`);
}

function workspaceFacts(workspace: Workspace, now: number): string[][] {
  const { id, owner, metaId, state, initializer, usedBytes, quotaBytes } = workspace;
  const created = timeOf(workspace.createTime);
  return [
    ["workspace", id],
    ["owner", owner],
    ["meta_id", metaId],
    ["state", stateName(state)],
    [
      "made",
      `${initializer || "?"}${created === undefined ? "" : `, ${formatSpan(now - created)} ago`}`,
    ],
    ["on disk", usedBytes === undefined ? "?" : formatSize(Number(usedBytes))],
    ["quota", quotaBytes === 0n ? "none" : formatSize(Number(quotaBytes))],
    ["last image", imageWords(workspace, now)],
    ...(workspace.remoteStorageDisabled
      ? [["storage", "snapshots and backups are forbidden"]]
      : []),
  ];
}

function imageWords(workspace: Workspace, now: number): string {
  const age = lastImage(workspace, now);
  const { lastImage: image, lastImageProblem } = workspace;
  return image ? `${age}, ${image.url}` : lastImageProblem ? printable(lastImageProblem) : age;
}

async function showSnapshot(
  url: string,
  { operations: client, call, json }: Session,
): Promise<void> {
  const snapshot = await client.call("getSnapshot", { url }, call);
  if (json) {
    const { snapshotToJson } = await import("../../client/mod.ts");
    return printJson(snapshotToJson(snapshot));
  }
  const operation = snapshot.operationId === ""
    ? undefined
    : (await client.call("getOperation", { id: snapshot.operationId }, call)).operation;
  printLine(table(snapshotFacts(snapshot, operation, Date.now())));
}

const SNAPSHOT_STATES: Readonly<Record<SnapshotState, string>> = {
  [SnapshotState.UNSPECIFIED]: "?",
  [SnapshotState.PENDING]: "pending",
  [SnapshotState.STORED]: "stored",
  [SnapshotState.GIVEN_UP]: "given up",
};

function snapshotFacts(
  snapshot: GetSnapshotResponse,
  operation: Operation | undefined,
  now: number,
): string[][] {
  const { url, state, promised, attempts, failure, files, contentBytes } = snapshot;
  const created = timeOf(snapshot.createTime);
  return [
    ["snapshot", url],
    ["state", SNAPSHOT_STATES[state] + (promised ? ", promised" : "")],
    ...(created === undefined ? [] : [
      [
        "stored",
        `${formatSpan(now - created)} ago, ${files} files, ${formatSize(Number(contentBytes))}`,
      ],
    ]),
    ...(attempts > 0 ? [["attempts", `${attempts}`]] : []),
    ...(failure ? [["last error", `${failure.code}: ${printable(failure.message)}`]] : []),
    ...(operation
      ? [[
        "operation",
        `${operation.id}, ${describeState(operation)}, ${elapsedOf(operation, now)}`,
      ]]
      : []),
  ];
}
