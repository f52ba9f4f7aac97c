/**
 * What becomes of a backup and of a restore when a fault meets one of its steps: success after
 * retries, or the error in the table. Whatever it was, the previous backup, or the new one where it
 * succeeded, restores afterwards; and a backup that failed succeeds when it is asked for again.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import type { Tree } from "../../src/content/api.ts";
import { systemClock } from "../../src/clock.ts";
import { DaemonError } from "../../src/errors.ts";
import { StoredImages } from "../../src/snapshot/images.ts";
import { openS3Bench, type S3Bench } from "../store/s3_bench.ts";
import { startContent, type TestContent } from "../support/content.ts";
import { type Fault, FaultProxy } from "../support/fault_proxy.ts";
import { testFolder } from "../support/folder.ts";
import { startS3 } from "../support/s3rver.ts";
import { ALICE } from "./rig.ts";

type Outcome =
  | "success"
  | "UNAVAILABLE"
  | "FAILED_PRECONDITION"
  | "RESOURCE_EXHAUSTED"
  | "DATA_LOSS";

/** A request of a backup or restore: which one matches, and how many like it come first. */
type Step = [name: string, on: RegExp, skip: number];

const BACKUP: Step[] = [
  ["its layer", /^PUT .*blobs/, 0],
  ["its index", /^PUT .*blobs/, 1],
  ["its config", /^PUT .*blobs/, 2],
  ["its manifest", /^PUT .*blobs/, 3],
  ["its reference", /^PUT .*refs/, 0],
];
const RESTORE: Step[] = [
  ["its reference", /^GET .*refs/, 0],
  ["its manifest", /^GET .*blobs/, 0],
  ["its config", /^GET .*blobs/, 1],
  ["its index", /^GET .*blobs/, 2],
  ["its layer", /^GET .*blobs/, 3],
];

const answer = (status: number, code: string): Fault => ({ kind: "answer", status, code });

/** A fault, and what it ends in when it passes after two requests and when it stays. */
type Row = [name: string, fault: Fault, passing: Outcome, staying: Outcome];

const EITHER_WAY: Row[] = [
  ["503", answer(503, "SlowDown"), "success", "UNAVAILABLE"],
  ["500", answer(500, "InternalError"), "success", "UNAVAILABLE"],
  ["reset", { kind: "reset-before" }, "success", "UNAVAILABLE"],
  ["stall", { kind: "stall" }, "success", "UNAVAILABLE"],
  ["lost answer", { kind: "lose-answer" }, "success", "UNAVAILABLE"],
  [
    "wrong signature",
    answer(403, "SignatureDoesNotMatch"),
    "FAILED_PRECONDITION",
    "FAILED_PRECONDITION",
  ],
];
const UPLOADS: Row[] = [
  ...EITHER_WAY,
  [
    "full bucket",
    answer(507, "InsufficientStorage"),
    "RESOURCE_EXHAUSTED",
    "RESOURCE_EXHAUSTED",
  ],
  // s3rver stores what it gets and its ETag tells; servers that check Content-MD5 refuse it.
  ["corrupted body", { kind: "corrupt-request" }, "success", "success"],
  ["refused body", answer(400, "BadDigest"), "success", "UNAVAILABLE"],
];
const DOWNLOADS: Row[] = [
  ...EITHER_WAY,
  ["reset midway", { kind: "cut-answer" }, "success", "UNAVAILABLE"],
  ["stall midway", { kind: "stall-midway" }, "success", "UNAVAILABLE"],
  ["truncated body", { kind: "cut-honestly" }, "success", "DATA_LOSS"],
  ["corrupted body", { kind: "corrupt-answer" }, "success", "DATA_LOSS"],
];

const server = await startS3();
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

class Node implements AsyncDisposable {
  readonly #path: string;
  readonly #tree: Tree = { room: "workspaces", name: "w" };
  readonly images: StoredImages;

  private constructor(
    readonly started: TestContent,
    readonly proxy: FaultProxy,
    bench: S3Bench,
    readonly stack: AsyncDisposableStack,
  ) {
    const { content, rooms } = started;
    this.#path = join(rooms.workspaces, "w");
    Deno.mkdirSync(this.#path);
    this.images = new StoredImages({ content, store: bench.store, clock: systemClock, retain: 1 });
  }

  static async open(stallMs: number): Promise<Node> {
    await using stack = new AsyncDisposableStack();
    const started = stack.use(startContent(stack.use(testFolder()).path));
    const proxy = stack.adopt(
      new FaultProxy({ hostname: server.host, port: server.port }),
      (proxy) => proxy.close(),
    );
    const bench = stack.use(
      await openS3Bench(server, {
        endpoint: proxy.endpoint,
        spoolDir: started.rooms.spool,
        tuning: { stallMs, attempts: 3 },
      }),
    );
    return new Node(started, proxy, bench, stack.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }

  /** Gives the workspace content that was never there. */
  async edit(): Promise<string> {
    const text = Array.from({ length: 100 }, () => crypto.randomUUID()).join("\n");
    await Deno.writeTextFile(join(this.#path, "file"), text);
    return text;
  }

  async backup(): Promise<void> {
    await this.images.saveBackup(this.#tree, ALICE, { baseline: "w" });
  }

  /** The content of the backup. */
  async restore(): Promise<string> {
    const { content, rooms } = this.started;
    const tree = await content.create({ uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 });
    try {
      const { newBaseline } = await this.images.restoreBackup(tree, ALICE, {});
      if (newBaseline) await content.dropBaseline(newBaseline);
      return await Deno.readTextFile(join(rooms.staging, tree.name, "file"));
    } finally {
      await content.remove(tree);
    }
  }
}

async function outcomeOf(work: () => Promise<unknown>): Promise<Outcome> {
  try {
    await work();
    return "success";
  } catch (error) {
    assert(error instanceof DaemonError && error.message.length > 20, String(error));
    return error.code as Outcome;
  }
}

/**
 * Stalls, for a store that soon takes silence for one, and all else for one that never does: a busy
 * machine is slow, and that must not pass for the fault.
 */
const byPatience = (rows: Row[]) =>
  [100, 600_000].map((stallMs) => ({
    stallMs,
    rows: rows.filter(([, { kind }]) => kind.startsWith("stall") === (stallMs === 100)),
  }));

/** Each fault at each step, passing and staying. */
function* casesOf(steps: Step[], rows: Row[]) {
  for (const [fault, kind, passing, staying] of rows) {
    for (const [step, on, skip] of steps) {
      for (const [times, expected] of [[2, passing], [Infinity, staying]] as const) {
        // What is refused for good is asked for once, and what always ends well needs no end.
        if ((times === 2) !== (expected === "success")) continue;
        const name = `${step} meets ${times === 2 ? "" : "a lasting "}${fault}`;
        yield { name, plan: { fault: kind, on, skip, times }, expected };
      }
    }
  }
}

for (const { stallMs, rows } of byPatience(UPLOADS)) {
  const faults = rows.map(([fault]) => fault).join(", ");
  Deno.test(`backup that meets ${faults} ends as the table says, and never costs the previous one`, async () => {
    await using node = await Node.open(stallMs);
    let before = await node.edit();
    await node.backup();
    const seen: string[] = [];
    const expected: string[] = [];
    for (const { name, plan, expected: outcome } of casesOf(BACKUP, rows)) {
      const text = await node.edit();
      node.proxy.plan(plan);
      const ended = await outcomeOf(() => node.backup());
      node.proxy.assertAllFired();
      seen.push(`${name}: ${ended}`);
      expected.push(`${name}: ${outcome}`);
      node.proxy.plan();
      const restored = await node.restore();
      // A reference whose answer was lost may have been replaced.
      const maybe = plan.fault.kind === "lose-answer" && plan.on.source.includes("refs");
      if (ended === "success") {
        assertEquals(restored, text, name);
      } else {
        assert(restored === before || (maybe && restored === text), `${name}: it is torn`);
        // The next case finds whether that was whole.
        await node.backup();
      }
      assertEquals([...Deno.readDirSync(node.started.rooms.spool)], [], name);
      before = text;
    }
    assertEquals(seen, expected);
  });
}

for (const { stallMs, rows } of byPatience(DOWNLOADS)) {
  const faults = rows.map(([fault]) => fault).join(", ");
  Deno.test(`restore that meets ${faults} ends as the table says, and leaves the backup as it is`, async () => {
    await using node = await Node.open(stallMs);
    const text = await node.edit();
    await node.backup();
    const seen: string[] = [];
    const expected: string[] = [];
    for (const { name, plan, expected: outcome } of casesOf(RESTORE, rows)) {
      node.proxy.plan(plan);
      let restored = "";
      seen.push(`${name}: ${await outcomeOf(async () => restored = await node.restore())}`);
      node.proxy.assertAllFired();
      expected.push(`${name}: ${outcome}`);
      if (restored) assertEquals(restored, text, name);
      node.proxy.plan();
      assertEquals([...Deno.readDirSync(node.started.rooms.staging)], [], name);
      assertEquals([...Deno.readDirSync(node.started.rooms.spool)], [], name);
      if (!restored) assertEquals(await node.restore(), text, name);
    }
    assertEquals(seen, expected);
  });
}
