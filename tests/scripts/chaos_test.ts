import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { readTree } from "../fixtures/tree.ts";
import { testFolder } from "../fixtures/folder.ts";
import { editTree } from "../../scripts/chaos/edits.ts";
import { BrokenPromise, Promises } from "../../scripts/chaos/model.ts";
import { Random } from "../../scripts/chaos/random.ts";
import { SharedLock } from "../../scripts/chaos/shared_lock.ts";
import { runChaos } from "../../scripts/chaos/run.ts";

Deno.test("chaos model permits only the acknowledged backup, and of an uncertain one old and new", () => {
  const promises = new Promises();
  promises.backupStored("m", "old");
  const restore = (tree: string) => promises.restored("m", promises.backup("m")!, tree);
  restore("old");
  assertThrows(() => restore("new"), BrokenPromise);
  promises.backupUncertain("m", "new");
  restore("new");
  assertThrows(() => restore("old"), BrokenPromise, "which none of new is");
});

Deno.test("chaos model lets only what was never acknowledged be missing", () => {
  const promises = new Promises();
  promises.backupUncertain("m", "tree");
  promises.missing("m", promises.backup("m")!);
  promises.backupStored("m", "tree");
  assertThrows(() => promises.missing("m", promises.backup("m")!), BrokenPromise);
  promises.snapshotTaken("url", "tree", true);
  promises.missing("url", promises.snapshots[0]![1]);
  promises.snapshotDue("url");
  assertThrows(() => promises.missing("url", promises.snapshots[0]![1]), BrokenPromise);
});

Deno.test("chaos makes the same choices and the same trees of the same seed", async () => {
  const make = async (seed: number) => {
    using folder = testFolder();
    const random = new Random(seed);
    for (let n = 0; n < 10; n++) editTree(folder.path, random);
    const entries = await readTree(folder.path);
    return entries.map(({ path, type, sha256, target }) => ({ path, type, sha256, target }));
  };
  assertEquals(await make(7), await make(7));
  assertNotEquals(await make(7), await make(8));
});

Deno.test("chaos lets what must happen alone wait for the others, and them for it", async () => {
  const lock = new SharedLock();
  const order: string[] = [];
  const first = Promise.withResolvers<void>();
  const work = [
    lock.shared(() => first.promise.then(() => void order.push("shared"))),
    lock.exclusive(() => Promise.resolve().then(() => void order.push("exclusive"))),
    lock.shared(() => Promise.resolve(void order.push("later"))),
  ];
  first.resolve();
  await Promise.all(work);
  assertEquals(order, ["shared", "exclusive", "later"]);
});

Deno.test("chaos finds a daemon that answers backups which it has not stored", async () => {
  using folder = testFolder();
  const trace: string[] = [];
  const { message } = await assertRejects(
    () =>
      runChaos({
        seed: 7,
        minutes: 1,
        store: "fs",
        fs: "dir",
        replaced: {
          "src/snapshot/mod.ts": new URL("./forgetful_images.ts", import.meta.url),
        },
        folder: folder.path,
        log: (line) => trace.push(line),
      }),
    BrokenPromise,
  );
  assertMatch(message, /backup m\d/);
  assert(trace.some((line) => / on node \d: (dispose-with-)?backup$/.test(line)), trace.join("\n"));
});
