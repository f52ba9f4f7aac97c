import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { existsSync } from "@std/fs";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import { adopt, checkState, Journal, recordsOf } from "../../src/workspace/mod.ts";
import type { RecordedWorkspace } from "../../src/workspace/tree_records.ts";
import { testFolder } from "../fixtures/folder.ts";

/** A root with a journal, as a daemon leaves one behind; its trees are plain folders. */
class Root implements Disposable {
  readonly #folder = testFolder();
  readonly path = this.#folder.path;
  readonly database = join(this.path, "state", "state.db");

  constructor() {
    for (const name of ["workspaces", "state", "state/baselines"]) {
      Deno.mkdirSync(join(this.path, name));
    }
  }

  tree(id: string): string {
    return join(this.path, "workspaces", id);
  }

  record(id: string): string {
    return join(this.path, "state", "workspaces", `${id}.json`);
  }

  makeTree(id: string): void {
    Deno.mkdirSync(this.tree(id));
    Deno.writeTextFileSync(join(this.tree(id), "work"), `of ${id}`);
    Deno.writeTextFileSync(join(this.path, "state", "baselines", id), "");
  }

  open(): Journal {
    return new Journal(this.database, recordsOf({ root: this.path }));
  }

  /** Makes a workspace AVAILABLE as an initialisation does. */
  init(id: string, owner: string): RecordedWorkspace {
    const workspace = {
      id,
      owner,
      metaId: "m",
      remoteStorageDisabled: true,
      quotaBytes: 12345,
      checkoutLocation: "src",
      initializer: "git",
      createdAt: 1_764_000_000_000,
    };
    using journal = this.open();
    journal.insert({ ...workspace, state: "SETTING_UP" });
    this.makeTree(id);
    journal.setState(id, "AVAILABLE");
    return workspace;
  }

  lose(): void {
    Deno.removeSync(this.database);
  }

  outcomes(): [string, string][] {
    return checkState(this.path).workspaces.map(({ id, outcome }) => [id, outcome]);
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

Deno.test("trees whose journal was deleted are adopted with all that their records say", () => {
  using root = new Root();
  const workspaces = [root.init("w1", "alice"), root.init("w2", "bob")];
  assertEquals(root.outcomes(), [["w1", "known"], ["w2", "known"]]);
  root.lose();
  assertEquals(checkState(root.path).journal.outcome, "missing");
  assertEquals(root.outcomes(), [["w1", "adoptable"], ["w2", "adoptable"]]);
  assertEquals(adopt(root.path, {}), { adopted: workspaces, left: [] });
  assertEquals(root.outcomes(), [["w1", "known"], ["w2", "known"]]);
  {
    using journal = root.open();
    const expected = workspaces.map((workspace) => ({ ...workspace, state: "AVAILABLE" as const }));
    assertEquals(journal.workspaces(), expected);
  }
  // Whatever it was of: the next save reads everything.
  assert(!existsSync(join(root.path, "state", "baselines", "w1")));
  assertEquals(Deno.readTextFileSync(join(root.tree("w1"), "work")), "of w1");
  assertEquals(adopt(root.path, {}), { adopted: [], left: [] });
});

for (
  const { name, spoil } of [
    {
      name: "is cut short",
      spoil: (path: string) => Deno.truncateSync(path, 5000),
    },
    {
      name: "is overwritten",
      spoil: (path: string) => Deno.writeTextFileSync(path, "x".repeat(20_000)),
    },
    {
      name: "has bad pages",
      spoil: (path: string) => {
        using file = Deno.openSync(path, { write: true });
        file.seekSync(4096, Deno.SeekMode.Start);
        file.writeSync(new Uint8Array(8192).fill(0x5a));
      },
    },
  ]
) {
  Deno.test(`a journal that ${name} is moved aside, with a new one in its place`, () => {
    using root = new Root();
    const workspace = root.init("w1", "alice");
    spoil(root.database);
    const bytes = Deno.readFileSync(root.database);
    assertEquals(checkState(root.path).journal.outcome, "damaged");
    assertEquals(Deno.readFileSync(root.database), bytes);
    const { movedJournal, adopted } = adopt(root.path, {});
    assertEquals(adopted, [workspace]);
    assertEquals(Deno.readFileSync(movedJournal!), bytes);
    assertEquals(checkState(root.path).journal.outcome, "ok");
    assertEquals(root.outcomes(), [["w1", "known"]]);
  });
}

Deno.test("a tree without a record to be believed is adopted for whom one names, and else stays", () => {
  using root = new Root();
  root.init("moved", "alice");
  root.init("damaged", "alice");
  root.init("kept", "alice");
  root.lose();
  root.makeTree("bare");
  // The same name, and not the folder that was published.
  Deno.renameSync(root.tree("moved"), root.tree("other"));
  root.makeTree("moved");
  const text = Deno.readTextFileSync(root.record("damaged"));
  Deno.writeTextFileSync(root.record("damaged"), text.replace("alice", "mallo"));
  // Another workspace's record under this name.
  Deno.copyFileSync(root.record("kept"), root.record("other"));

  assertEquals(root.outcomes(), [
    ["bare", "unknown"],
    ["damaged", "unknown"],
    ["kept", "adoptable"],
    ["moved", "unknown"],
    ["other", "unknown"],
  ]);
  const { adopted, left } = adopt(root.path, {});
  assertEquals(adopted.map(({ id }) => id), ["kept"]);
  assertEquals(left.map(({ id }) => id), ["bare", "damaged", "moved", "other"]);
  assertStringIncludes(left.find(({ id }) => id === "moved")!.problem, "another folder");
  assertEquals(adopt(root.path, { ids: ["bare"] }).left.length, 1);
  const identity = { owner: "bob", metaId: "n" };
  const named = adopt(root.path, { ids: ["moved"], identity });
  assertEquals(named.adopted.map(({ id, owner, metaId }) => [id, owner, metaId]), [
    ["moved", "bob", "n"],
  ]);
  assertEquals(recordsOf({ root: root.path }).read("moved").outcome, "agrees");
});

Deno.test("a record that is to be believed is not overruled", () => {
  using root = new Root();
  root.init("w1", "alice");
  root.init("w2", "alice");
  root.lose();
  const identity = { owner: "bob", metaId: "m" };
  const refused = assertThrows(() => adopt(root.path, { ids: ["w1"], identity }), DaemonError);
  assertEquals(refused.code, "FAILED_PRECONDITION");
  assertStringIncludes(refused.message, root.record("w1"));
  assertEquals(root.outcomes()[0], ["w1", "adoptable"]);
  const code = (ids: string[]) => assertThrows(() => adopt(root.path, { ids }), DaemonError).code;
  assertEquals(code(["none"]), "NOT_FOUND");
  assertEquals(code(["../state"]), "INVALID_ARGUMENT");
  adopt(root.path, { ids: ["w1"] });
  assertEquals(code(["w1"]), "ALREADY_EXISTS");
});

Deno.test("a record lasts from a workspace's being AVAILABLE until its deletion begins", () => {
  using root = new Root();
  root.init("w", "alice");
  const alice = Deno.readTextFileSync(root.record("w"));
  {
    using journal = root.open();
    journal.setState("w", "WRAPPING_UP");
    assert(existsSync(root.record("w")));
    journal.setState("w", "DELETING");
    assert(!existsSync(root.record("w")));
    // As if that had failed.
    Deno.writeTextFileSync(root.record("w"), alice);
    journal.remove("w");
    assert(!existsSync(root.record("w")));
    Deno.writeTextFileSync(root.record("w"), alice);
    journal.insert({ ...JSON.parse(alice), state: "SETTING_UP", owner: "bob" });
    assert(!existsSync(root.record("w")), "alice's would stand for bob's");
  }
});

Deno.test("a start writes the records that are missing, and removes those of nothing", () => {
  using root = new Root();
  root.init("w", "alice");
  const text = Deno.readTextFileSync(root.record("w"));
  Deno.removeSync(root.record("w"));
  Deno.writeTextFileSync(root.record("gone"), text);
  Deno.writeTextFileSync(root.record("orphan"), text);
  using journal = root.open();
  journal.completeRecords(new Set(["w", "orphan"]));
  assertEquals(Deno.readTextFileSync(root.record("w")), text);
  assertEquals(recordsOf({ root: root.path }).ids(), ["orphan", "w"]);
});

Deno.test("what a kill left of a deletion is not adopted once a start has seen it", () => {
  using root = new Root();
  root.init("w", "alice");
  const text = Deno.readTextFileSync(root.record("w"));
  {
    using journal = root.open();
    journal.setState("w", "DELETING");
    // As if the kill had come before it was removed.
    Deno.writeTextFileSync(root.record("w"), text);
  }
  {
    using journal = root.open();
    journal.completeRecords(new Set(["w"]));
  }
  root.lose();
  assertEquals(root.outcomes(), [["w", "unknown"]]);
});

Deno.test("an empty folder that somebody made for a workspace to come is nobody's loss", () => {
  using root = new Root();
  Deno.mkdirSync(root.tree("ahead"));
  assertEquals(root.outcomes(), []);
});
