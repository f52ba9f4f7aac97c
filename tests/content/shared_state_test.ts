import { assert, assertEquals } from "@std/assert";
import { PackStatePool } from "../../src/content/pack/pack_state_pool.ts";
import { SharedPackState, type WorkItem } from "../../src/content/pack/shared_state.ts";
import type { Stat } from "../../src/linux/mod.ts";

const PARTS = 3;

function newState(): SharedPackState {
  return new SharedPackState(SharedPackState.allocate(PARTS, 100), PARTS);
}

function directory(path: string): WorkItem {
  return { kind: "directory", key: 0, path: new TextEncoder().encode(path) };
}

function inode(ino: bigint): Stat {
  return { ino, devMajor: 8, devMinor: 1 } as Stat;
}

Deno.test("a part either begins or is withdrawn", () => {
  const state = newState();
  const elsewhere = new SharedPackState(state.memory, PARTS);
  assertEquals(state.beginPart(0), true);
  assertEquals(elsewhere.withdrawPart(0), false);
  assertEquals(elsewhere.withdrawPart(1), true);
  assertEquals(state.beginPart(1), false);
});

Deno.test("an item that one Worker gives is taken by another, once, and no longer than there is room", () => {
  const state = newState();
  const elsewhere = new SharedPackState(state.memory, PARTS);
  const file: WorkItem = { kind: "file", key: 2 ** 40, path: new Uint8Array([0xff, 0x2f]) };
  for (const item of [directory("a"), file]) {
    state.announce();
    assert(state.offer(item));
  }
  assertEquals(elsewhere.take(), file);
  assertEquals(elsewhere.take(), directory("a"));
  assertEquals(elsewhere.take(), undefined);
  assertEquals([state.announced, state.isDone], [2, false]);
  state.complete();
  elsewhere.complete();
  assert(state.isDone);
  let given = 0;
  while (state.offer(directory("x".repeat(64 << 10)))) given++;
  assertEquals(given, 15);
});

Deno.test("an inode is claimed once, and a directory of the baseline is visited for all", () => {
  const state = newState();
  const elsewhere = new SharedPackState(state.memory, PARTS);
  for (let n = 0n; n < 1000n; n++) assert((n % 2n === 0n ? state : elsewhere).claim(inode(n)));
  for (let n = 0n; n < 1000n; n++) assert(!(n % 2n === 0n ? elsewhere : state).claim(inode(n)));
  elsewhere.visit(33);
  assertEquals([32, 33, 34].map((n) => state.hasVisited(n)), [false, true, false]);
});

Deno.test("the memory of a pack that has ended is the next one's, with nothing left in it", () => {
  const pool = new PackStatePool(PARTS);
  const first = pool.acquire(40);
  first.announce();
  first.offer(directory("left"));
  first.claim(inode(7n));
  first.visit(39);
  first.addLayer();
  first.beginPart(0);
  first.withdrawPart(2);
  pool.release(first);
  const second = pool.acquire(40);
  assertEquals(second.memory, first.memory);
  assertEquals([...new Uint8Array(second.memory, 0, 44)], Array(44).fill(0));
  assertEquals([second.isDone, second.announced, second.take()], [true, 0, undefined]);
  assert(second.claim(inode(7n)));
  assert(!second.hasVisited(39));
  assert(second.beginPart(0) && second.beginPart(2));
  assert(pool.acquire(40).memory !== second.memory, "two packs at once have memory of their own");
});

Deno.test("a baseline of many directories gets memory that has a bit for each", () => {
  const pool = new PackStatePool(PARTS);
  pool.release(pool.acquire(0));
  const many = 3_000_000;
  const state = pool.acquire(many);
  state.visit(many - 1);
  assert(state.hasVisited(many - 1));
  pool.release(state);
  assertEquals(pool.acquire(many).memory, state.memory);
});
