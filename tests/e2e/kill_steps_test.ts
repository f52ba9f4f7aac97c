/** `kill -9` at each step of docs/architecture.md leaves what its table says, and no more for good. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { deadline } from "@std/async";
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { SourceCommand } from "../../scripts/chaos/source_command.ts";
import { inProcess } from "../cli/in_process.ts";
import { page } from "../docs/pages.ts";
import { eventually } from "../fixtures/eventually.ts";
import { testFolder } from "../fixtures/folder.ts";
import { HELD, STEPS } from "./held_steps/held.ts";
import { ClientError } from "../../src/client/mod.ts";
import { fromBackup, fromSnapshot, request, TestNode } from "./node.ts";

/** What stands for which module of the daemon. */
const REPLACED = {
  "src/workspace/mod.ts": new URL("./held_steps/workspace.ts", import.meta.url),
  "src/store/mod.ts": new URL("./held_steps/store.ts", import.meta.url),
  "src/content/dispatcher.ts": new URL("./held_steps/dispatcher.ts", import.meta.url),
};

/** A row of the table: what is there after the kill, and what the next start makes of it. */
interface Row {
  journal: string;
  workspaces: string;
  tmp: string;
  baselines: string;
  store: string;
  restarted: string;
}

/** The rows by the id of the workspace that is brought to that step. */
function documented(): Map<string, Row> {
  const section = page("docs/architecture.md").text.split("\n## What `kill -9` leaves\n")[1]!
    .split("\n## ")[0]!;
  const rows = section.match(/^\| (?:init|save|pending|disposal)(?: in place)? \d .*$/gm) ?? [];
  return new Map(rows.map((line) => {
    const cells = line.split("|").slice(1, -1).map((cell) => cell.replaceAll("`", "").trim());
    const [step, journal, workspaces, tmp, baselines, store, restarted] = cells as string[];
    const id = step!.replaceAll(" ", "-");
    return [id, { journal, workspaces, tmp, baselines, store, restarted } as Row];
  }));
}

/** Where a daemon keeps what the table is about, and whether folders there are looked into. */
const AREAS = [
  { area: "workspaces", isDeep: false },
  { area: "tmp/staging", isDeep: false },
  { area: "tmp/trash", isDeep: false },
  { area: "tmp/spool", isDeep: false },
  { area: "state/baselines", isDeep: false },
  { area: "store/blobs", isDeep: true },
  { area: "store/refs", isDeep: true },
];

/** Which paths there are in these areas, and of files a digest; the daemon may go on meanwhile. */
function filesOf(root: string): Map<string, string> {
  const files = new Map<string, string>();
  const add = (folder: string, isDeep: boolean) => {
    for (const { name, isFile, isDirectory } of Deno.readDirSync(join(root, folder))) {
      const path = `${folder}/${name}`;
      if (folder === "workspaces" && isEmptyFolder(join(root, path))) files.set(path, EMPTY);
      else if (isDirectory && isDeep) unlessGone(() => add(path, isDeep));
      else if (isFile) unlessGone(() => files.set(path, digestOf(join(root, path))));
      else files.set(path, "");
    }
  };
  for (const { area, isDeep } of AREAS) add(area, isDeep);
  return files;
}

/** What {@link filesOf} says of an empty folder among the workspaces. */
const EMPTY = "empty";

function isEmptyFolder(path: string): boolean {
  return Deno.readDirSync(path)[Symbol.iterator]().next().done === true;
}

function digestOf(path: string): string {
  return createHash("sha256").update(Deno.readFileSync(path)).digest("hex");
}

/** Does something with what the daemon may have deleted since it was listed. */
function unlessGone(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Says in the table's words what a call has changed in a root. */
function changes(
  id: string,
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Omit<Row, "journal" | "restarted"> {
  const changed = [...after.keys()].filter((path) => before.get(path) !== after.get(path));
  const made = (folder: string) => changed.some((path) => path.startsWith(`${folder}/`));
  const words = (which: Record<string, boolean>) =>
    Object.keys(which).filter((word) => which[word]).join(", ");
  const baseline = `state/baselines/${id}`;
  const isNew = changed.includes(baseline);
  return {
    workspaces: words({
      "tree": after.get(`workspaces/${id}`) === "",
      "empty folder": after.get(`workspaces/${id}`) === EMPTY,
    }),
    tmp: words({
      "staging tree": made("tmp/staging"),
      "trash": made("tmp/trash"),
      "spool": made("tmp/spool"),
    }),
    baselines: words({
      "as before": after.has(baseline) && !isNew,
      "new": isNew,
      "uncommitted": changed.some((path) => path.startsWith("state/baselines/.")),
    }),
    store: words({ blobs: made("store/blobs"), reference: made("store/refs") }),
  };
}

/** The states of workspaces in the journal of a daemon that was killed. */
function journalOf(root: string, folder: string): Map<string, string> {
  for (const name of ["state.db", "state.db-journal"]) {
    Deno.copyFileSync(join(root, "state", name), join(folder, name));
  }
  using database = new DatabaseSync(join(folder, "state.db"));
  const pending = new Set(
    database.prepare("SELECT workspace_id FROM promised_snapshots").all()
      .map((row) => row.workspace_id),
  );
  const rows = database.prepare("SELECT id, state FROM workspaces").all();
  return new Map(
    rows.map(({ id, state }) => [String(id), `${state}${pending.has(id) ? ", pending" : ""}`]),
  );
}

type Found = Omit<Row, "journal" | "restarted">;

/** Makes a backup of content that is "old", of the identity that the workspace is to have. */
async function backUpOld(node: TestNode, id: string): Promise<void> {
  const before = `before-${id}`;
  await node.client.initWorkspace(request(before, identityOf(id)));
  await Deno.writeTextFile(join(node.workspace(before), "version"), "old");
  await node.client.disposeWorkspace({ id: before, backup: true });
}

function identityOf(id: string) {
  return { metadata: { owner: "alice", metaId: id } };
}

/** Restores that backup and makes its content "new". */
async function edit(node: TestNode, id: string): Promise<void> {
  makeFolder(node, id);
  await node.client.initWorkspace({ ...fromBackup(id), ...identityOf(id) });
  await Deno.writeTextFile(join(node.workspace(id), "version"), "new");
  // More than fits into a frame, so that a part seals a layer.
  const bytes = new Uint8Array(1_500_000);
  for (let n = 0; n < bytes.length; n += 60_000) {
    crypto.getRandomValues(bytes.subarray(n, n + 60_000));
  }
  await Deno.writeFile(join(node.workspace(id), "random"), bytes);
}

/** Makes the folder that is filled in place, where that is what the row is about. */
function makeFolder(node: TestNode, id: string): void {
  if (id.includes("in-place")) Deno.mkdirSync(node.workspace(id));
}

/** Makes the call in which a workspace is held or, where it is held nowhere, to its end. */
async function call(node: TestNode, id: string): Promise<string | undefined> {
  const { client } = node;
  switch (id.split("-")[0]) {
    case "init":
      makeFolder(node, id);
      await client.initWorkspace({ ...fromBackup(id), ...identityOf(id) });
      return;
    case "save":
      await client.backupWorkspace(id);
      return;
    case "pending":
      return await client.takeSnapshot({ id, returnImmediately: true });
    case "disposal":
      await client.disposeWorkspace({ id, backup: id === "disposal-2" });
      return;
    default:
      throw new Error(`the table has a row ${id} that is no step`);
  }
}

/** Waits until a workspace is held at a step. @throws {Error} with the log where it never is */
async function held(node: TestNode, id: string, step: string): Promise<void> {
  const reached = node.daemon.logMatching(new RegExp(`^${HELD}${id} ${step}$`, "m"));
  try {
    await deadline(reached, PATIENCE_MS);
  } catch (error) {
    reached.catch(() => {});
    throw new Error(`${id} came to no step ${step}:\n${node.daemon.log}`, { cause: error });
  }
}

/** Far longer than a step takes on the slowest machine. */
const PATIENCE_MS = 120_000;

function isBlob(path: string): boolean {
  return path.startsWith("store/blobs/");
}

/** Waits until a daemon has deleted what the one before it left. */
async function settled(node: TestNode): Promise<void> {
  const isLeft = (path: string) =>
    /^(tmp\/(staging|trash|spool)\/|state\/baselines\/\.)/.test(path);
  await eventually(() => assertEquals([...filesOf(node.root).keys()].filter(isLeft), []));
}

/** Says in the table's words what a restart has made of a workspace. */
async function restartedAs(node: TestNode, id: string, url?: string): Promise<string> {
  const { client } = node;
  const isKnown = await client.isWorkspaceExists(id);
  const files = filesOf(node.root);
  const folder = files.get(`workspaces/${id}`);
  assertEquals(folder === "", isKnown, `workspaces/${id} has content`);
  assertEquals(files.has(`state/baselines/${id}`), isKnown, `the baseline of ${id} is there`);
  const left = folder === EMPTY ? "empty folder" : "nothing";
  const state = isKnown ? "AVAILABLE" : left;
  if (isKnown) await client.waitForInit(id);
  if (id.startsWith("init-")) return state;
  if (url === undefined) {
    await client.initWorkspace({ ...fromBackup(`of-${id}`), ...identityOf(id) });
    return `${state}, ${await versionOf(node, `of-${id}`)} backup`;
  }
  await restorePending(node, `of-${id}`, url);
  return `${state}, snapshot of ${await versionOf(node, `of-${id}`)}`;
}

/** Restores a snapshot once it is stored. */
async function restorePending(node: TestNode, id: string, url: string): Promise<void> {
  const init = () => node.client.initWorkspace(fromSnapshot(id, url));
  // Any other failure is final.
  const failure: unknown = await eventually(() =>
    init().then(() => undefined, (error) => {
      if (error instanceof ClientError && error.code === "NOT_FOUND") throw error;
      return error;
    })
  );
  if (failure !== undefined) throw failure;
}

async function versionOf(node: TestNode, id: string): Promise<string> {
  return await Deno.readTextFile(join(node.workspace(id), "version"));
}

/** Collects, and returns how many blobs were deleted. */
async function collect(root: string): Promise<number> {
  const args = ["--grace", "0s", "--force", "--json", "--root", root];
  const { code, stdout, stderr } = await inProcess("store", "gc", ...args);
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout).deleted.count;
}

Deno.test("kill -9 at each step leaves what the table says, and the next start makes of it what it says", async () => {
  using folder = testFolder();
  const { command } = new SourceCommand(folder.path, REPLACED);
  await using node = await TestNode.start(folder.path, "node", {
    command,
    // A run with an import map of its own resolves every package anew.
    startTimeout: 2 * PATIENCE_MS,
    // Plain folders everywhere: on btrfs a save has a frozen tree in staging besides.
    config: {
      backup: { concurrency: 100 },
      init: { inPlace: true },
      quota: { driver: "none" },
    },
  });
  const table = documented();
  const found = new Map<string, Found>();
  const urls = new Map<string, string>();
  const unanswered: Promise<unknown>[] = [];
  assertEquals(Object.keys(STEPS).filter((id) => !table.has(id)), [], "rows are missing");
  for (const id of table.keys()) {
    await backUpOld(node, id);
    if (!id.startsWith("init-")) await edit(node, id);
    const before = filesOf(node.root);
    const answered = call(node, id).then((url) => url === undefined || urls.set(id, url));
    const steps = STEPS[id] ?? [];
    if (steps.length === 0 || id.startsWith("pending-")) await answered;
    else unanswered.push(answered.catch(() => {}));
    for (const step of steps) await held(node, id, step);
    found.set(id, changes(id, before, filesOf(node.root)));
  }
  const all = filesOf(node.root);
  await node.end("SIGKILL");
  await Promise.all(unanswered);
  assertEquals(filesOf(node.root), all);
  const journal = journalOf(node.root, folder.path);

  await node.startAgain();
  await settled(node);
  const again = filesOf(node.root);
  assertEquals([...all.keys()].filter((path) => isBlob(path) && !again.has(path)), []);
  for (const [id, row] of table) {
    const restarted = await restartedAs(node, id, urls.get(id));
    assertEquals({ journal: journal.get(id) ?? "", ...found.get(id)!, restarted }, row, id);
  }
  assert(await collect(node.root) > 0, "no blob was left that nothing refers to");
  const { code, stderr } = await inProcess("store", "verify", "--root", node.root);
  assertEquals(code, 0, stderr);
});
