import { assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import { Journal, type WorkspaceRecord } from "../../src/workspace/journal.ts";

const record: WorkspaceRecord = {
  id: "w1",
  owner: "alice",
  metaId: "m@1",
  state: "SETTING_UP",
  remoteStorageDisabled: true,
  quotaBytes: 2 ** 40,
  checkoutLocation: "src/app",
};

async function withFile(test: (path: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    test(join(folder, "state.db"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the journal remembers every field across a reopening", () =>
  withFile((path) => {
    {
      using journal = new Journal(path);
      journal.insert(record);
      journal.setState("w1", "AVAILABLE");
      journal.promise({ url: "u", workspaceId: "w1" });
    }
    using journal = new Journal(path);
    assertEquals(journal.workspaces(), [{ ...record, state: "AVAILABLE" }]);
    assertEquals(journal.promises(), [{ url: "u", workspaceId: "w1" }]);
  }));

Deno.test("the journal forgets a workspace's promises with it", () =>
  withFile((path) => {
    using journal = new Journal(path);
    journal.insert(record);
    journal.insert({ ...record, id: "w2" });
    journal.promise({ url: "u1", workspaceId: "w1" });
    journal.promise({ url: "u2", workspaceId: "w2" });
    journal.promise({ url: "u3", workspaceId: "w2" });
    journal.remove("w1");
    journal.keep("u3");
    assertEquals(journal.workspaces().map(({ id }) => id), ["w2"]);
    assertEquals(journal.promises(), [{ url: "u2", workspaceId: "w2" }]);
  }));

Deno.test("the journal refuses a state file of a newer version, and one that is not a database", () =>
  withFile((path) => {
    const db = new DatabaseSync(path);
    db.exec("PRAGMA user_version = 99");
    db.close();
    const newer = assertThrows(() => new Journal(path), DaemonError, "version 99");
    assertEquals(newer.code, "FAILED_PRECONDITION");
    Deno.writeTextFileSync(path, "certainly not a database, and long enough to be read as one");
    const damaged = assertThrows(() => new Journal(path), DaemonError, "Cannot open the state");
    assertEquals(damaged.code, "FAILED_PRECONDITION");
  }));
