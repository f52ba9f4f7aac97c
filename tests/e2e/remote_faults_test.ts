/**
 * What each call answers while the S3 store is down or silent, and when the clock jumps. The calls of
 * a row run side by side, since each waits for the same.
 */

import { assertAlmostEquals } from "@std/assert";
import { join } from "@std/path";
import { SourceCommand } from "../../scripts/chaos/source_command.ts";
import { FaultProxy, type PlannedFault } from "../fixtures/fault_proxy.ts";
import { testFolder } from "../fixtures/folder.ts";
import { CAN_JUMP, JumpingClock } from "../fixtures/jumping_clock.ts";
import { BUCKET, S3_KEYS, startS3 } from "../fixtures/s3rver.ts";
import { ALL_WELL, checkFault, codesOf, type Fault } from "./faults.ts";
import { TestNode } from "./node.ts";

/** What is restored is read from the store. */
const NO_CACHE = { maxBytes: "0" };

const s3 = await startS3();
Deno.test.afterAll(() => s3[Symbol.asyncDispose]());

const APART = { wait: "waits", snapshot: "snapshots", backup: "backs-up", dispose: "disposes" };

/** Where a fault is: the way to the store. */
type StoreFault = Omit<Fault, "begin"> & { begin(proxy: FaultProxy): Promise<() => Promise<void>> };

const UNAVAILABLE = { codes: codesOf("UNAVAILABLE"), says: /http:\/\/127\.[\d.]+:\d+/ };

const atOnce = () => Promise.resolve();

const DOWN: StoreFault = {
  ...UNAVAILABLE,
  name: "a store that is down",
  begin(proxy) {
    proxy.stop();
    return Promise.resolve(() => Promise.resolve(proxy.listen()));
  },
  meanwhile: atOnce,
};

/** What befalls every request. */
function everyRequest(name: string, fault: PlannedFault["fault"]): StoreFault {
  return {
    ...UNAVAILABLE,
    name,
    begin(proxy) {
      proxy.plan({ fault, on: /./, times: Infinity });
      return Promise.resolve(() => {
        proxy.assertAllFired();
        proxy.plan();
        return Promise.resolve();
      });
    },
    meanwhile: atOnce,
  };
}

const STORE_FAULTS = [
  DOWN,
  everyRequest("a store that answers nothing", { kind: "stall" }),
  everyRequest("a store whose answers end in the middle", { kind: "stall-midway" }),
  everyRequest("a store whose answers are lost", { kind: "lose-answer" }),
];

/** An address at which nobody else is given ports, so that one which was closed is free. */
function ownAddress(): string {
  return `127.${[1, 2, 3].map(() => 1 + Math.floor(Math.random() * 254)).join(".")}`;
}

function newProxy(): FaultProxy {
  return new FaultProxy({ hostname: s3.host, port: s3.port }, () => {}, ownAddress());
}

function storageAt({ endpoint }: FaultProxy) {
  const kind = "s3";
  return { kind, endpoint, bucket: BUCKET, region: "r", forcePathStyle: true, ...S3_KEYS };
}

Deno.test("whatever the S3 store does, each call has its code, nothing is left, all is well after", async (t) => {
  using folder = testFolder();
  const proxy = newProxy();
  using _proxy = { [Symbol.dispose]: () => proxy.stop() };
  const hurry = join(folder.path, "node", "hurry");
  const clock = new URL(`./hurried_clock.ts?${encodeURIComponent(hurry)}`, import.meta.url);
  const { command } = new SourceCommand(folder.path, { "src/clock.ts": clock });
  const config = { storage: storageAt(proxy), backup: { attempts: 1 }, cache: NO_CACHE };
  await using node = await TestNode.start(folder.path, "node", { config, command });
  const begin = async (fault: StoreFault) => {
    const end = await fault.begin(proxy);
    await Deno.writeTextFile(hurry, "");
    return async () => {
      await Deno.remove(hurry);
      await end();
    };
  };
  for (const fault of STORE_FAULTS) {
    const here = { ...fault, begin: () => begin(fault) };
    if (!await t.step(fault.name, () => checkFault(node, here, APART))) break;
  }
});

/** How far a daemon's clock jumps: more than a lease, a deadline or a signature is good for. Hours. */
const JUMPS = [5, -50];
const HOUR = 3600;

/** Where a clock jumps, and the way to the store, where that is S3. */
interface Timed {
  clock: JumpingClock;
  node: TestNode;
  proxy?: FaultProxy;
}

/** @throws where the daemon's clock is another, by the time in a snapshot's name */
async function jump({ clock, node }: Timed, hours: number): Promise<void> {
  clock.set(hours * HOUR);
  const url = await node.client.takeSnapshot({ id: APART.wait });
  const time = /(....)(..)(..)T(..)(..)(..)Z-\w+$/.exec(url)!.slice(1).map(Number);
  const [year = 0, month = 0, ...rest] = time;
  const shown = Date.UTC(year, month - 1, ...rest) / 1000;
  assertAlmostEquals(shown, Date.now() / 1000 + hours * HOUR, HOUR);
}

function jumps(timed: Timed): Fault[] {
  const { clock, proxy } = timed;
  const end = () => Promise.resolve(clock.set(0));
  const base = { codes: ALL_WELL, says: /^$/ };
  return JUMPS.flatMap((hours) => {
    const name = `a clock that jumps by ${hours} hours`;
    const before = async () => {
      await jump(timed, hours);
      return end;
    };
    const released = Promise.withResolvers<void>();
    // With requests under way that were signed by the time of before.
    const meanwhile = async () => {
      await proxy?.fired("hold");
      clock.set(hours * HOUR);
      released.resolve();
    };
    const hold = () => {
      const fault = { kind: "hold" as const, until: released.promise };
      proxy?.plan({ fault, on: /./, times: Infinity });
      return Promise.resolve(end);
    };
    return [
      { ...base, name, begin: before, meanwhile: atOnce },
      ...proxy ? [{ ...base, name: `${name} meanwhile`, begin: hold, meanwhile }] : [],
    ];
  });
}

for (const kind of ["fs", "s3"]) {
  Deno.test({
    name: `hours that a clock jumps are no matter for any call, with a store of kind ${kind}${
      CAN_JUMP ? "" : " (ignored: needs libfaketime)"
    }`,
    ignore: !CAN_JUMP,
    async fn(t) {
      using folder = testFolder();
      const proxy = newProxy();
      using _proxy = { [Symbol.dispose]: () => proxy.stop() };
      const clock = new JumpingClock(folder.path);
      const path = join(folder.path, "store");
      const storage = kind === "s3" ? storageAt(proxy) : { kind, path };
      const config = { storage, backup: { attempts: 1 }, cache: NO_CACHE };
      const { env } = clock;
      await using node = await TestNode.start(folder.path, "node", { config, env });
      const timed = { clock, node, ...kind === "s3" ? { proxy } : {} };
      for (const fault of jumps(timed)) {
        if (!await t.step(fault.name, () => checkFault(node, fault, APART))) break;
      }
    },
  });
}
