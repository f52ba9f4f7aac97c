/** What each of the six calls answers while something is wrong: shared by the tables of faults. */

import { randomBytes } from "node:crypto";
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { ClientError } from "../../src/client/mod.ts";
import { run } from "../fixtures/tools.ts";
import { readTree } from "../fixtures/tree.ts";
import { fromBackup, type Request, request, type TestNode } from "./node.ts";

export const MIB = 1 << 20;
const CALLS = ["init", "wait", "exists", "snapshot", "backup", "dispose"] as const;
export type Call = typeof CALLS[number];
/** What each call may answer. */
export type Codes = Readonly<Record<Call, readonly string[]>>;

/** Something that is wrong until it is ended. */
export interface Fault {
  name: string;
  codes: Codes;
  /** Words that every refusal for it has. */
  says: RegExp;
  /** Brings it about; resolves to what ends it. */
  begin(): Promise<() => Promise<void>>;
  /** Happens once all calls are under way. They are made one after the other unless it is given. */
  meanwhile?(): Promise<void>;
}

const SAVED = ["OK"];

/** The codes where the calls that make or save something are answered with `code`. */
export function codesOf(code: string, more: Partial<Codes> = {}): Codes {
  return {
    init: [code],
    wait: SAVED,
    exists: SAVED,
    snapshot: [code],
    backup: [code],
    // The final backup failed: the content stays.
    dispose: ["DATA_LOSS"],
    ...more,
  };
}

/** The codes of a fault that no call notices. */
export const ALL_WELL: Codes = codesOf("OK", { dispose: ["OK"] });

/** The workspaces that calls are made on, by id. Those that run side by side have one each. */
export type Targets = Readonly<Record<"wait" | "snapshot" | "backup" | "dispose", string>>;

interface Answer {
  code: string;
  message: string;
}

/** One that never comes fails the row, and not the suite. Milliseconds. */
const DEADLINE = { deadline: 120_000 };

async function answerTo(call: Promise<unknown>): Promise<Answer> {
  try {
    await call;
    return { code: "OK", message: "" };
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    return { code: error.code, message: error.message };
  }
}

/** What work in progress leaves, which nothing must when there is none. */
function leftovers(root: string): string[] {
  return ["staging", "trash", "spool", "git"].flatMap((area) =>
    [...Deno.readDirSync(join(root, "tmp", area))].map(({ name }) => `${area}/${name}`)
  );
}

/** Each workspace has an identity of its own, with its id as meta_id. */
function owned(id: string, of = id, { initializer }: Request = request(id)): Request {
  return request(id, {
    metadata: { owner: "alice", metaId: of },
    ...initializer ? { initializer } : {},
  });
}

function restored(id: string, of: string): Request {
  return owned(id, of, fromBackup(id));
}

/**
 * Makes the six calls while the fault lasts: each has one of its codes, no refusal is without its
 * words, and after its end nothing is left and all calls do again what they are for. The workspaces
 * are made before, with a backup and newer content, and are gone afterwards.
 */
export async function checkFault(node: TestNode, fault: Fault, targets: Targets): Promise<void> {
  const trees = await prepare(node, targets);
  const end = await fault.begin();
  let answers: ReadonlyMap<Call, Answer>;
  try {
    answers = await callAll(node, fault, targets);
  } finally {
    await end();
  }
  await serves(node, answers, targets, trees);
}

type Trees = ReadonlyMap<string, unknown>;

async function prepare(node: TestNode, targets: Targets): Promise<Trees> {
  const { client } = node;
  const ids = [...new Set(Object.values(targets))];
  await Promise.all(ids.map(async (id) => {
    const file = join(node.workspace(id), "file");
    await client.initWorkspace(owned(id), DEADLINE);
    await Deno.writeFile(file, randomBytes(MIB));
    await client.backupWorkspace(id, DEADLINE);
    await Deno.writeFile(`${file}2`, randomBytes(MIB));
  }));
  // What the disk does not have yet is the first to go with it.
  await run("/", "sync", "--file-system", node.root);
  const trees = new Map<string, unknown>();
  for (const id of ids) trees.set(id, await readTree(node.workspace(id)));
  return trees;
}

async function callAll(
  { client }: TestNode,
  { name, codes, says, meanwhile }: Fault,
  targets: Targets,
): Promise<ReadonlyMap<Call, Answer>> {
  const calls: Readonly<Record<Call, () => Promise<unknown>>> = {
    init: () => client.initWorkspace(restored("new", targets.backup), DEADLINE),
    wait: () => client.waitForInit(targets.wait, DEADLINE),
    exists: () => client.isWorkspaceExists(targets.wait, DEADLINE),
    snapshot: () => client.takeSnapshot({ id: targets.snapshot }, DEADLINE),
    backup: () => client.backupWorkspace(targets.backup, DEADLINE),
    dispose: () => client.disposeWorkspace({ id: targets.dispose, backup: true }, DEADLINE),
  };
  const running = new Map<Call, Promise<Answer>>();
  for (const call of CALLS) {
    running.set(call, answerTo(calls[call]()));
    if (!meanwhile) await running.get(call);
  }
  await meanwhile?.();
  const answers = new Map<Call, Answer>();
  for (const [call, answer] of running) answers.set(call, await answer);
  for (const [call, { code, message }] of answers) {
    const what = `${call} with ${name}: ${code} ${message}`;
    assert(codes[call].includes(code), what);
    assertNotEquals(code, "INTERNAL", what);
    if (code !== "OK") assert(says.test(message), what);
  }
  return answers;
}

/** Nothing is left behind, what was there still is, and all calls do again what they are for. */
async function serves(
  node: TestNode,
  answers: ReadonlyMap<Call, Answer>,
  targets: Targets,
  trees: Trees,
): Promise<void> {
  const { client, root } = node;
  const isOk = (call: Call) => answers.get(call)?.code === "OK";
  const dispose = (id: string, backup = false) => client.disposeWorkspace({ id, backup }, DEADLINE);
  assertEquals(await client.isWorkspaceExists("new"), isOk("init"));
  if (isOk("init")) await dispose("new");
  for (const [id, tree] of trees) {
    const isKept = id !== targets.dispose || !isOk("dispose");
    assertEquals(await client.isWorkspaceExists(id), isKept, id);
    if (!isKept) continue;
    assertEquals(await readTree(node.workspace(id)), tree);
    await dispose(id, id === targets.dispose);
  }
  assertEquals(leftovers(root), []);
  await client.initWorkspace(restored("again", targets.dispose), DEADLINE);
  assertEquals(await readTree(node.workspace("again")), trees.get(targets.dispose));
  await client.takeSnapshot({ id: "again" }, DEADLINE);
  await dispose("again");
  assertEquals(leftovers(root), []);
}
