/** The lifecycle on a real journal, beside a model of it. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DatabaseSync } from "node:sqlite";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { testFolder } from "../fixtures/folder.ts";
import type { FinalSave } from "../../src/workspace/final_saves.ts";
import { Journal, type WorkspaceRecord } from "../../src/workspace/journal.ts";
import { recoverWorkspace } from "../../src/workspace/recover.ts";
import type { WorkspaceEvent, WorkspaceState } from "../../src/workspace/state.ts";
import { type Recorders, Workspace } from "../../src/workspace/workspace.ts";
import { WorkspaceMetrics } from "../../src/workspace/workspace_metrics.ts";

const RECORD: Omit<WorkspaceRecord, "state"> = {
  id: "w",
  owner: "alice",
  metaId: "m",
  remoteStorageDisabled: false,
  quotaBytes: 0,
  checkoutLocation: "",
};

/** What can be done to a workspace that exists: each is possible in some states only. */
const STEPS = [
  { event: "ready", saves: [] },
  { event: "fail", saves: [] },
  { event: "wrapUp", saves: [] },
  { event: "abortDispose", saves: [] },
  { event: "delete", saves: [] },
  { event: "delete", saves: ["backup"] },
  { event: "delete", saves: ["backupLogs", "backup"] },
  { event: "gone", saves: [] },
  { event: "crash", saves: [] },
] as const satisfies { event: WorkspaceEvent | "crash"; saves: FinalSave[] }[];

/** A workspace as a caller sees it: whether its content is there, and what was saved of it. */
interface Model {
  /** What a restart must find, or undefined for nothing. */
  content: "unfinished" | "kept" | "deleted" | undefined;
  saved: readonly FinalSave[];
}

function recordersOf(journal: Journal): Recorders {
  return { journal, metrics: new WorkspaceMetrics(new Metrics()) };
}

/** What a restart makes of the journal's only workspace. */
function restart(recorders: Recorders): Workspace | undefined {
  const [record] = recorders.journal.workspaces();
  return record && recoverWorkspace(record, recorders);
}

function applyToModel(model: Model, event: WorkspaceEvent, saves: readonly FinalSave[]): void {
  if (event === "ready") model.content = "kept";
  if (event === "fail" || event === "gone") model.content = undefined;
  if (event === "delete") {
    model.content = "deleted";
    model.saved = saves;
  }
}

function applyIfPossible(
  workspace: Workspace,
  model: Model,
  { event, saves }: { event: WorkspaceEvent; saves: readonly FinalSave[] },
): void {
  const before = workspace.state;
  try {
    workspace.apply(event, new Set(saves));
  } catch (error) {
    assert(!(error instanceof DaemonError), String(error));
    assertEquals(workspace.state, before, "an impossible event changes nothing");
    return;
  }
  applyToModel(model, event, saves);
}

/** The content that a state promises to whoever looks. */
function contentOf(state: WorkspaceState): Model["content"] {
  if (state === "SETTING_UP") return "unfinished";
  if (state === "DELETING") return "deleted";
  return state === "NONE" ? undefined : "kept";
}

Deno.test("whatever happens to a workspace and whenever it crashes, content is kept until its deletion began", () => {
  using folder = testFolder();
  const path = join(folder.path, "state.db");
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...STEPS), { maxLength: 12 }), (steps) => {
      let journal = new Journal(path);
      let recorders = recordersOf(journal);
      try {
        let workspace: Workspace | undefined = Workspace.create(RECORD, recorders);
        const model: Model = { content: "unfinished", saved: [] };
        for (const { event, saves } of steps) {
          if (event === "crash") {
            journal[Symbol.dispose]();
            journal = new Journal(path);
            recorders = recordersOf(journal);
            if (model.content === "unfinished") model.content = "deleted";
            workspace = restart(recorders);
            assertEquals(workspace && contentOf(workspace.state), model.content);
            assert(workspace?.state !== "WRAPPING_UP", "a restart disposes of nothing by itself");
          } else if (workspace) {
            applyIfPossible(workspace, model, { event, saves });
          }
          if (!workspace) continue;
          assertEquals(contentOf(workspace.state), model.content);
          assertEquals([...workspace.saved].sort(), [...model.saved].sort());
          const recorded = journal.workspaces().map(({ state }) => state);
          assertEquals<WorkspaceState[]>(
            recorded,
            workspace.state === "NONE" ? [] : [workspace.state],
          );
          if (workspace.state === "NONE") workspace = undefined;
        }
        journal.remove(RECORD.id);
      } finally {
        journal[Symbol.dispose]();
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("a state that cannot be written down is not entered, unless a restart does the same for both", () => {
  using folder = testFolder();
  const path = join(folder.path, "state.db");
  new Journal(path)[Symbol.dispose]();
  {
    using db = new DatabaseSync(path);
    db.exec(
      `CREATE TRIGGER refuse BEFORE UPDATE ON workspaces WHEN OLD.state = 'WRAPPING_UP'
      BEGIN SELECT RAISE(ABORT, 'no such luck'); END`,
    );
  }
  using journal = new Journal(path);
  const workspace = Workspace.create(RECORD, recordersOf(journal));
  workspace.apply("ready");
  workspace.apply("wrapUp");
  const error = assertThrows(() => workspace.apply("delete"), DaemonError, "no such luck");
  assertEquals(error.code, "INTERNAL");
  assertEquals(workspace.state, "WRAPPING_UP", "nothing may be deleted now");
  workspace.apply("abortDispose");
  assertEquals(workspace.state, "AVAILABLE");
  assertEquals(journal.workspaces()[0]?.state, "WRAPPING_UP");
});

Deno.test("a disposal wakes what waits, and one that is aborted leaves the signal for the next", () => {
  using folder = testFolder();
  using journal = new Journal(join(folder.path, "state.db"));
  const workspace = Workspace.create(RECORD, recordersOf(journal));
  workspace.apply("ready");
  const first = workspace.disposingSignal;
  assert(!first.aborted);
  workspace.apply("wrapUp");
  assert(first.aborted);
  workspace.apply("abortDispose");
  const second = workspace.disposingSignal;
  assert(!second.aborted);
  workspace.apply("wrapUp");
  assert(second.aborted);
});

Deno.test("a workspace is idle once everything that it tracks has ended, however it ended", async () => {
  using folder = testFolder();
  using journal = new Journal(join(folder.path, "state.db"));
  const workspace = Workspace.create(RECORD, recordersOf(journal));
  await workspace.idle();
  const good = Promise.withResolvers<string>();
  const bad = Promise.withResolvers<void>();
  const tracked = workspace.track(good.promise);
  const failing = workspace.track(bad.promise).catch((error) => error.message);
  assertEquals(workspace.work.length, 2);
  let isIdle = false;
  const idle = workspace.idle().then(() => isIdle = true);
  bad.reject(new Error("no such luck"));
  assertEquals(await failing, "no such luck");
  assert(!isIdle);
  good.resolve("saved");
  assertEquals(await tracked, "saved");
  await idle;
  assertEquals(workspace.work, []);
});
