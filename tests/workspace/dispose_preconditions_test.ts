import { assertEquals } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import {
  checkDisposePreconditions,
  type DisposableWorkspace,
} from "../../src/workspace/dispose_preconditions.ts";
import type { FinalSave } from "../../src/workspace/final_saves.ts";
import type { WorkspaceState } from "../../src/workspace/state.ts";

function workspace(
  state: WorkspaceState,
  more: { saved?: FinalSave[]; joined?: boolean } = {},
): DisposableWorkspace {
  return {
    id: "w",
    state,
    saved: new Set(more.saved),
    disposal: more.joined ? {} : undefined,
  };
}

/** Returns what is refused, or "allowed". */
function check(subject: DisposableWorkspace, saves: FinalSave[], remoteStorage = true): string {
  const options = { backup: saves.includes("backup"), backupLogs: saves.includes("backupLogs") };
  try {
    checkDisposePreconditions(subject, options, remoteStorage);
    return "allowed";
  } catch (error) {
    if (!(error instanceof DaemonError)) throw error;
    assertEquals(error.code, "FAILED_PRECONDITION");
    return error.message;
  }
}

const NOTHING: FinalSave[] = [];
const BACKUP: FinalSave[] = ["backup"];
const LOGS: FinalSave[] = ["backupLogs"];
const BOTH: FinalSave[] = ["backup", "backupLogs"];

Deno.test("a workspace that is AVAILABLE or WRAPPING_UP can be disposed of with any final saves", () => {
  for (const state of ["AVAILABLE", "WRAPPING_UP"] as const) {
    for (const saves of [NOTHING, BACKUP, LOGS, BOTH]) {
      assertEquals(check(workspace(state), saves), "allowed", `${state} ${saves}`);
    }
  }
});

Deno.test("without remote storage a disposal saves nothing, and says what it was asked for", () => {
  const available = workspace("AVAILABLE");
  assertEquals(check(available, NOTHING, false), "allowed");
  for (const [saves, what] of [[BACKUP, "content"], [LOGS, "logs"], [BOTH, "content and logs"]]) {
    assertEquals(
      check(available, saves as FinalSave[], false),
      `Cannot store the ${what} of workspace w before its disposal: remote storage is disabled ` +
        "for it; repeat the call without asking for that",
    );
  }
});

Deno.test("a workspace that is SETTING_UP has no content to back up", () => {
  const settingUp = workspace("SETTING_UP");
  assertEquals(check(settingUp, NOTHING), "allowed");
  assertEquals(check(settingUp, LOGS), "allowed");
  for (const saves of [BACKUP, BOTH]) {
    const message = check(settingUp, saves);
    assertEquals(message.endsWith("its content was never ready"), true, message);
  }
});

Deno.test("past the point of no return a caller is told of a save only if it was made", () => {
  const without = (what: string) =>
    `Workspace w is being disposed of without ${what}: repeat the call without asking for it`;
  for (const state of ["DELETING", "NONE"] as const) {
    const unsaved = workspace(state, { joined: true });
    assertEquals(check(unsaved, NOTHING), "allowed");
    assertEquals(check(unsaved, BACKUP), without("a backup"));
    assertEquals(check(unsaved, LOGS), without("its logs"));
    assertEquals(check(unsaved, BOTH), without("a backup"));
    const backedUp = workspace(state, { joined: true, saved: BACKUP });
    assertEquals(check(backedUp, BACKUP), "allowed");
    assertEquals(check(backedUp, BOTH), without("its logs"));
    const saved = workspace(state, { joined: true, saved: BOTH });
    assertEquals(check(saved, BOTH), "allowed");
  }
});

Deno.test("a failed initialisation's tree has no logs to miss, but no backup either", () => {
  const leftover = workspace("DELETING");
  assertEquals(check(leftover, LOGS), "allowed");
  assertEquals(check(leftover, BOTH).includes("without a backup"), true);
});
