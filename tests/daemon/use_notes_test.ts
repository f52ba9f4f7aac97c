import { assertEquals } from "@std/assert";
import { UseNotes } from "../../src/daemon/use_notes.ts";
import { digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { OperationRegistry } from "../../src/operations/mod.ts";
import { useKey } from "../../src/snapshot/image_uses.ts";
import { noStore } from "../../src/store/no_store.ts";
import { SteppedClock } from "../fixtures/clock.ts";

const HOUR = 3600_000;
const [A, B] = [digestOf("a"), digestOf("b")];

Deno.test("what workspaces were started from is noted at once, and again while they are here", async () => {
  const clock = new SteppedClock();
  const operations = new OperationRegistry(clock);
  const written: string[] = [];
  let isDown = true;
  const users = [{ id: "w1", base: A }, { id: "w2", base: A }];
  await using notes = new UseNotes({
    store: {
      ...noStore,
      kind: "fs",
      putRef: (key) => {
        if (isDown) return Promise.reject(new DaemonError("UNAVAILABLE", "out of reach"));
        written.push(key);
        return Promise.resolve();
      },
    },
    clock,
    users: () => users,
  });
  operations.observe(notes);
  notes.start();
  await clock.pass(0);
  assertEquals(written, []);
  isDown = false;
  await clock.pass(3 * HOUR);
  assertEquals(written.splice(0), [useKey(A)]);

  users.push({ id: "w3", base: B });
  await operations.run({ kind: "init" }, () => Promise.resolve());
  await clock.pass(0);
  assertEquals(written.splice(0), [useKey(B)]);

  await clock.pass(24 * HOUR);
  assertEquals(new Set(written.splice(0)), new Set([useKey(A), useKey(B)]));
  users.length = 0;
  await clock.pass(24 * HOUR);
  assertEquals(written, []);
});
