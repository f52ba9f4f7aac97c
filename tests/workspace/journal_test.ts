import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { join } from "@std/path";
import { digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { canMountDisk, fillDisk, smallDisk } from "../e2e/disk.ts";
import { testFolder } from "../fixtures/folder.ts";
import { Journal, type WorkspaceRecord } from "../../src/workspace/journal.ts";
import { recordsOf } from "../../src/workspace/tree_records.ts";

const record: WorkspaceRecord = {
  id: "w1",
  owner: "alice",
  metaId: "m@1",
  state: "SETTING_UP",
  remoteStorageDisabled: true,
  quotaBytes: 2 ** 40,
  checkoutLocation: "src/app",
};

const lineage = { id: "0123456789abcdef".repeat(2), base: digestOf("base") };

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
      journal.setState("w1", "AVAILABLE", { lineage });
      journal.addPendingSnapshot({ url: "u", workspaceId: "w1" });
    }
    using journal = new Journal(path);
    assertEquals(journal.workspaces(), [{ ...record, state: "AVAILABLE", lineage }]);
    assertEquals(journal.pendingSnapshots(), [{ url: "u", workspaceId: "w1" }]);
    journal.setLineage("w1", { id: "other" });
    assertEquals(journal.workspaces()[0]?.lineage, { id: "other" });
    journal.insert(record);
    assertEquals(journal.workspaces(), [record]);
  }));

Deno.test("the journal remembers what was saved of a workspace for as long as it is deleted", () =>
  withFile((path) => {
    {
      using journal = new Journal(path);
      assertEquals(journal.finalSaves("w1"), []);
      for (const id of ["w1", "w2"]) journal.insert({ ...record, id });
      journal.setState("w1", "DELETING", { saved: ["backup", "backupLogs"] });
      journal.setState("w2", "DELETING");
    }
    using journal = new Journal(path);
    assertEquals(journal.finalSaves("w1").sort(), ["backup", "backupLogs"]);
    assertEquals(journal.finalSaves("w2"), []);
    journal.insert(record);
    assertEquals(journal.finalSaves("w1"), []);
    journal.setState("w1", "DELETING", { saved: ["backup"] });
    journal.remove("w1");
    journal.insert(record);
    assertEquals(journal.finalSaves("w1"), []);
  }));

Deno.test("the journal remembers whose a folder is for as long as that matters", () =>
  withFile((path) => {
    const unclaimed = { use: "unclaimed", id: "none" } as const;
    const filling = { use: "filling", id: "1@2.000000003" } as const;
    {
      using journal = new Journal(path);
      for (const id of ["w1", "w2", "w3"]) journal.insert({ ...record, id, folder: unclaimed });
      journal.setFolder("w2", filling);
      journal.setFolder("w3", { use: "published", id: "4@5.000000006" });
    }
    using journal = new Journal(path);
    const folders = () => journal.workspaces().map(({ folder }) => folder);
    assertEquals(folders(), [unclaimed, filling, { use: "published", id: "4@5.000000006" }]);
    for (const id of ["w1", "w2", "w3"]) journal.setState(id, "AVAILABLE");
    assertEquals(folders(), [undefined, { ...filling, use: "filled" }, undefined]);
    for (const id of ["w1", "w2", "w3"]) journal.setState(id, "DELETING");
    assertEquals(folders(), [undefined, { ...filling, use: "filled" }, undefined]);
    journal.remove("w2");
    journal.insert({ ...record, id: "w2" });
    assertEquals(folders(), [undefined, undefined, undefined]);
  }));

Deno.test("the journal forgets a workspace's promises with it", () =>
  withFile((path) => {
    using journal = new Journal(path);
    journal.insert(record);
    journal.insert({ ...record, id: "w2" });
    journal.addPendingSnapshot({ url: "u1", workspaceId: "w1" });
    journal.addPendingSnapshot({ url: "u2", workspaceId: "w2" });
    journal.addPendingSnapshot({ url: "u3", workspaceId: "w2" });
    journal.remove("w1");
    journal.removePendingSnapshot("u3");
    assertEquals(journal.workspaces().map(({ id }) => id), ["w2"]);
    assertEquals(journal.pendingSnapshots(), [{ url: "u2", workspaceId: "w2" }]);
  }));

Deno.test("a journal whose file was removed or replaced takes nothing more, and says so", () =>
  withFile((path) => {
    for (const replace of [false, true]) {
      using journal = new Journal(path);
      journal.insert({ ...record, id: `before-${replace}` });
      Deno.removeSync(path);
      if (replace) new Journal(path)[Symbol.dispose]();
      const error = assertThrows(
        () => journal.insert({ ...record, id: "after" }),
        DaemonError,
        `${path}: it was moved or removed`,
      );
      assertEquals(error.code, "FAILED_PRECONDITION");
    }
  }));

Deno.test("a journal that is damaged says so, and what to do", () =>
  withFile((path) => {
    const damaged = new Journal(path);
    damaged.insert(record);
    damaged[Symbol.dispose]();
    // The first page stays, so that it opens.
    const { size } = Deno.statSync(path);
    using file = Deno.openSync(path, { write: true });
    file.seekSync(4096, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(size - 4096).fill(0x5a));
    const reading = assertThrows(
      () => {
        using journal = new Journal(path);
        journal.workspaces();
      },
      DaemonError,
      path,
    );
    assertEquals(reading.code, "FAILED_PRECONDITION");
    assertStringIncludes(reading.message, "wsdaemon state adopt --all");
  }));

Deno.test("the journal refuses a state file of a newer version, and one that is not a database", () =>
  withFile((path) => {
    const db = new DatabaseSync(path);
    db.exec("PRAGMA user_version = 99");
    db.close();
    const newer = assertThrows(() => new Journal(path), DaemonError, "version 99");
    assertEquals(newer.code, "FAILED_PRECONDITION");
    Deno.writeTextFileSync(path, "certainly not a database, and long enough to be read as one");
    const damaged = assertThrows(
      () => new Journal(path),
      DaemonError,
      "Cannot open the daemon's state",
    );
    assertEquals(damaged.code, "FAILED_PRECONDITION");
  }));

/** What `kill -9` leaves of a version that used a write-ahead log: rows that are in the log alone. */
function writeAheadLogAt(path: string): void {
  using folder = testFolder();
  const live = join(folder.path, "live.db");
  new Journal(live)[Symbol.dispose]();
  const db = new DatabaseSync(live);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  db.prepare("INSERT INTO workspaces VALUES ('w1', 'alice', 'm@1', 'AVAILABLE', 1, 5, 'src')")
    .run();
  for (const end of ["", "-wal"]) Deno.copyFileSync(live + end, path + end);
  db.close();
}

Deno.test("the journal takes over what an earlier version's write-ahead log holds", () =>
  withFile((path) => {
    writeAheadLogAt(path);
    const ids = (journal: Journal) => journal.workspaces().map(({ id }) => id);
    {
      using journal = new Journal(path);
      journal.insert({ ...record, id: "w2" });
      assertEquals(ids(journal), ["w1", "w2"]);
      journal.remove("w1");
      assertThrows(() => Deno.statSync(`${path}-wal`), Deno.errors.NotFound);
    }
    {
      using journal = new Journal(path);
      assertEquals(ids(journal), ["w2"]);
    }
    // And the earlier version what this one wrote.
    const db = new DatabaseSync(path);
    db.exec("PRAGMA journal_mode = WAL");
    assertEquals(db.prepare("SELECT id FROM workspaces").get()?.id, "w2");
    db.close();
  }));

Deno.test({
  name: `the journal takes a write-ahead log over on a full disk, too${
    canMountDisk() ? "" : " (ignored: needs root, mkfs.ext4 and a loop device)"
  }`,
  ignore: !canMountDisk(),
  fn: () => {
    using folder = testFolder();
    const disk = join(folder.path, "disk");
    using _disk = smallDisk(disk, 8 << 20, "ext4 with 1 KiB blocks");
    const path = join(disk, "state.db");
    writeAheadLogAt(path);
    fillDisk(disk);
    {
      using journal = new Journal(path);
      assertEquals(journal.workspaces().map(({ id }) => id), ["w1"]);
    }
    Deno.removeSync(join(disk, "bulk"));
    using journal = new Journal(path);
    journal.remove("w1");
    assertEquals(journal.workspaces(), []);
  },
});

/** What `kill -9` in the midst of a write leaves at `path`: a database that is to be rolled back. */
function halfWrittenAt(path: string): void {
  using folder = testFolder();
  const live = join(folder.path, "live.db");
  {
    using journal = new Journal(live);
    for (let row = 0; row < 30; row++) {
      journal.insert({ ...record, id: `w${row}`, checkoutLocation: "x".repeat(8000) });
    }
  }
  const db = new DatabaseSync(live);
  // With so small a cache what is changed goes to the file before it is committed.
  db.exec(
    "PRAGMA journal_mode = PERSIST; PRAGMA synchronous = FULL; PRAGMA cache_size = 2; PRAGMA cache_spill = 1",
  );
  db.exec("BEGIN IMMEDIATE; UPDATE workspaces SET owner = 'mallory'");
  for (const end of ["", "-journal"]) Deno.copyFileSync(live + end, path + end);
  db.close();
}

for (const kind of ["ext4 with 1 KiB blocks", "btrfs"] as const) {
  const can = canMountDisk(kind);
  Deno.test({
    name: `the journal rolls back what was half written, on a full ${kind}${
      can ? "" : " (ignored: needs root, a loop device and the program that makes it)"
    }`,
    ignore: !can,
    fn: () => {
      using folder = testFolder();
      const disk = join(folder.path, "disk");
      using _disk = smallDisk(disk, undefined, kind);
      const path = join(disk, "state.db");
      new Journal(path)[Symbol.dispose]();
      halfWrittenAt(path);
      const text = new TextDecoder().decode(Deno.readFileSync(path));
      assert(text.includes("mallory"), "nothing was written before the end");
      fillDisk(disk);
      using journal = new Journal(path);
      const rows = journal.workspaces();
      assertEquals(rows.length, 30);
      assertEquals(rows.filter(({ owner }) => owner !== record.owner), []);
      for (const { id } of rows) journal.remove(id);
      assertEquals(journal.workspaces(), []);
    },
  });
}

Deno.test("a record that was written ahead is found, and not written again, by the change of state", async () => {
  using folder = testFolder();
  const { path: root } = folder;
  Deno.mkdirSync(join(root, "workspaces", "w1"), { recursive: true });
  Deno.mkdirSync(join(root, "state"));
  const records = recordsOf({ root });
  using journal = new Journal(join(root, "state", "state.db"), records);
  journal.insert(record);
  await journal.noteTreeAhead("w1");
  const written = Deno.statSync(records.pathOf("w1")).ino;
  journal.setState("w1", "AVAILABLE", { lineage });
  assertEquals(Deno.statSync(records.pathOf("w1")).ino, written);
  const { state: _, ...workspace } = record;
  assertEquals(records.read("w1"), { outcome: "agrees", workspace });
  assertEquals(records.ids(), ["w1"]);
});

Deno.test("a record that cannot be written ahead keeps nothing from becoming AVAILABLE", async () => {
  using folder = testFolder();
  const { path: root } = folder;
  Deno.mkdirSync(join(root, "state"));
  const records = recordsOf({ root });
  using journal = new Journal(join(root, "state", "state.db"), records);
  journal.insert(record);
  await journal.noteTreeAhead("w1");
  Deno.writeTextFileSync(join(root, "state", "workspaces"), "in the way");
  Deno.mkdirSync(join(root, "workspaces", "w1"), { recursive: true });
  await journal.noteTreeAhead("w1");
  journal.setState("w1", "AVAILABLE");
  assertEquals(journal.workspaces()[0]?.state, "AVAILABLE");
});
