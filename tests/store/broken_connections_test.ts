/**
 * Every way in which a connection to the S3 server can end, at every place of a request and its
 * answer: one failure of one attempt, and success by the next.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import { digestOf } from "../../src/digest.ts";
import type { FailureKind } from "../../src/store/s3/s3_errors.ts";
import { S3Store } from "../../src/store/s3/s3_store.ts";
import { type Break, BreakingProxy, type Place } from "../fixtures/breaking_proxy.ts";
import { ManualClock } from "../fixtures/clock.ts";
import { testFolder } from "../fixtures/folder.ts";
import { BUCKET, S3_KEYS, startS3 } from "../fixtures/s3rver.ts";
import { hasOpenssl, makeCertificates } from "../rpc/certificates.ts";
import { freshBytes, spool } from "./conformance.ts";
import { TEST_TUNING } from "./s3_bench.ts";

const server = await startS3();
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

/** More than is handed to a socket at a time. */
const SIZE = 300_000;

/** Longer than anything else that sleeps by the clock of the wire. */
const STALL_MS = 3600_000;

const IN_REQUEST: Place[] = ["in the request's head", "after the request", "in the answer's head"];
const CASES: [method: string, places: Place[]][] = [
  ["PUT", [...IN_REQUEST, "in the request's body"]],
  ["GET", [...IN_REQUEST, "in the answer's body"]],
  ["HEAD", IN_REQUEST],
];
const BREAKS: Break[] = ["closed", "reset", "silent"];

/** A store behind a proxy, with what became of its requests. */
class Victim implements AsyncDisposable {
  readonly failures: FailureKind[] = [];
  readonly clock = new ManualClock();

  private constructor(
    readonly proxy: BreakingProxy,
    readonly spoolDir: string,
    readonly stack: AsyncDisposableStack,
    readonly caFile: string | undefined,
  ) {}

  static async start({ secure, reused }: { secure: boolean; reused: boolean }): Promise<Victim> {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(testFolder());
    const made = secure ? await makeCertificates(folder.path) : undefined;
    const text = (pem: Uint8Array) => new TextDecoder().decode(pem);
    const proxy = stack.use(
      await BreakingProxy.start({
        upstream: { hostname: server.host, port: server.port },
        ...(made
          ? { certificate: { cert: text(made.server.cert), key: text(made.server.key) } }
          : {}),
      }),
    );
    proxy.keepAlive = reused;
    const spoolDir = join(folder.path, "spool");
    await Deno.mkdir(spoolDir);
    const caFile = made ? join(folder.path, "ca.pem") : undefined;
    return new Victim(proxy, spoolDir, stack.move(), caFile);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }

  open(): Promise<S3Store> {
    return S3Store.open({
      storage: {
        kind: "s3",
        endpoint: this.proxy.endpoint,
        region: "us-east-1",
        bucket: BUCKET,
        prefix: "broken",
        forcePathStyle: true,
        ...S3_KEYS,
        ...(this.caFile ? { caFile: this.caFile } : {}),
      },
      spoolDir: this.spoolDir,
      clock: systemClock,
      wireClock: this.clock,
      observer: {
        onAnswer() {},
        onBytes() {},
        onRetry() {},
        onFailure: ({ kind }) => void this.failures.push(kind),
      },
      tuning: { ...TEST_TUNING, stallMs: STALL_MS, multipartThreshold: 2 * SIZE, partSize: SIZE },
    });
  }

  /** Runs `work`; silence lasts as long as the clock says, until it has been noticed. */
  async under(
    plan: { how: Break; where: Place; method: string },
    work: () => Promise<unknown>,
  ): Promise<FailureKind[]> {
    this.failures.length = 0;
    const fired = this.proxy.plan(plan);
    let isDone = false;
    if (plan.where === "idle") await fired;
    const done = work().finally(() => isDone = true);
    await Promise.race([fired, done]);
    while (plan.how === "silent" && this.failures.length === 0 && !isDone) {
      this.clock.wakeLong(STALL_MS);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await done;
    await fired;
    return [...this.failures];
  }
}

const STORED = freshBytes(SIZE);

/** What is done by a request of each method; it ends well in the end. */
const OPERATIONS: Record<string, (store: S3Store, victim: Victim) => Promise<void>> = {
  async PUT(store, { spoolDir }) {
    assertEquals(await store.putBlob(await spool(spoolDir, freshBytes(SIZE))), true);
  },
  async GET(store, { spoolDir }) {
    const leased = await store.acquireBlob(digestOf(STORED), SIZE);
    assertEquals(digestOf(await Deno.readFile(join(spoolDir, leased.path))), digestOf(STORED));
    await leased.release();
  },
  async HEAD(store) {
    assert(await store.hasBlob(digestOf(STORED), SIZE));
  },
};

/** Sockets that are connected to a port of this machine; of those that are being closed, once they are. */
async function socketsTo(port: number): Promise<number> {
  for (let tries = 0; tries < 1000 && connectedTo(port) > 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return connectedTo(port);
}

/** Told by the port, since other tests have sockets in this process at the same time. */
function connectedTo(port: number): number {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return Deno.readTextFileSync("/proc/self/net/tcp").split("\n").slice(1)
    .map((line) => line.trim().split(/\s+/))
    // A connection without an inode has been closed, and waits for its last packets.
    .filter((fields) => fields[2]?.endsWith(remote) && fields[9] !== "0").length;
}

for (const secure of [false, true]) {
  for (const reused of [false, true]) {
    const name = `${reused ? "kept" : "fresh"} connections ${secure ? "over TLS" : "in the clear"}`;
    Deno.test({
      name: `each break of ${name} costs one attempt and nothing else`,
      ignore: secure && !hasOpenssl,
      fn: () => breakAll({ secure, reused }),
    });
  }
}

async function breakAll(kind: { secure: boolean; reused: boolean }): Promise<void> {
  const { reused } = kind;
  await using victim = await Victim.start(kind);
  const store = await victim.open();
  await store.putBlobBytes(digestOf(STORED), STORED);
  for (const [method, places] of CASES) {
    // Where a connection is at the beginning of a request depends on whether it was kept.
    for (const where of [...places, reused ? "idle" as const : "at once" as const]) {
      for (const how of BREAKS) {
        const what = `${method} meets ${how} ${where}`;
        await store.probe();
        const operation = () => OPERATIONS[method]!(store, victim);
        const failures = await victim.under({ how, where, method }, operation);
        // What is found closed before it is used costs nothing.
        const isFound = where === "idle" && how !== "silent" && failures.length === 0;
        if (!isFound) {
          assertEquals(failures, [how === "silent" ? "timeout" : "network"], what);
        }
        assertEquals(victim.proxy.brokeReused, reused, what);
        assertEquals([...Deno.readDirSync(victim.spoolDir)], [], what);
      }
    }
  }
  const port = Number(new URL(victim.proxy.endpoint).port);
  if (reused) assert(connectedTo(port) > 0);
  await store.close();
  assertEquals(await socketsTo(port), 0);
}
