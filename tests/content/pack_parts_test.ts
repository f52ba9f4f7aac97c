import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Dispatcher } from "../../src/content/dispatcher.ts";
import { pack } from "../../src/content/pack/pack.ts";
import { PackStatePool } from "../../src/content/pack/pack_state_pool.ts";
import type { PartEvent } from "../../src/content/pack/pack_job.ts";
import { startWorkers } from "../fixtures/content.ts";
import { testFolder } from "../fixtures/folder.ts";
import { type Relay, relay } from "../fixtures/relay.ts";

function isCallForHelp(event: unknown): boolean {
  return (event as PartEvent).kind === "help";
}

Deno.test("what a Worker has packed counts, even if another's end is heard of first", async () => {
  using folder = testFolder();
  const { ports, areas, terminate } = startWorkers(folder.path, 3);
  const relays = ports.map(relay);
  const dispatcher = new Dispatcher(relays.map(({ port }) => port));
  try {
    for (let n = 0; n < 20; n++) {
      Deno.mkdirSync(join(areas.workspaces, "w", `d${n}`), { recursive: true });
      for (let file = 0; file < 50; file++) {
        Deno.writeTextFileSync(join(areas.workspaces, "w", `d${n}`, `${file}`), `${n}`);
      }
    }
    const [, idle, busy] = relays as [Relay, Relay, Relay];
    const tree = { area: "workspaces", name: "w" } as const;
    // One does everything, which nobody hears of until the other has found nothing to do.
    const late = Promise.withResolvers<void>();
    const busyDone = Promise.withResolvers<void>();
    let cancel: Int32Array | undefined;
    busy.onRequest = ({ operation, memory }, pass) => {
      if (operation === "packPart") cancel = new Int32Array(memory);
      pass();
    };
    busy.onReply = (reply, pass) => {
      if (reply.kind === "done" && cancel) busyDone.resolve();
      if (cancel && (reply.kind !== "event" || !isCallForHelp(reply.event))) {
        late.promise.then(pass);
      } else pass();
    };
    let isPart = false;
    idle.onRequest = ({ operation }, pass) => {
      isPart = operation === "packPart";
      if (isPart) busyDone.promise.then(pass);
      else pass();
    };
    const heard = Promise.withResolvers<void>();
    idle.onReply = (reply, pass) => {
      pass();
      if (isPart && reply.kind === "done") heard.resolve();
    };
    const services = { dispatcher, states: new PackStatePool(dispatcher.workers) };
    const packing = pack(services, tree, {
      baseline: "w",
      reuse: [],
      onLayer: () => Promise.resolve(),
    });
    await heard.promise;
    // Two round trips: by then the dispatcher has heard it too.
    for (let n = 0; n < 2; n++) await dispatcher.quick("exists", { tree });
    assertEquals(cancel && Atomics.load(cancel, 0), 0, "the part that did it all was cancelled");
    late.resolve();
    const { stats } = await packing;
    assertEquals([stats.files, stats.directories], [1000, 21]);
  } finally {
    dispatcher.close();
    terminate();
  }
});

Deno.test("a small tree is packed by one Worker, and one with work for several by all of them", async () => {
  using folder = testFolder();
  const { ports, areas, terminate } = startWorkers(folder.path, 3);
  const begun: number[] = [];
  const relays = ports.map(relay);
  relays.forEach((one, n) => {
    one.onRequest = ({ operation }, pass) => {
      if (operation === "packPart") begun.push(n);
      pass();
    };
  });
  const dispatcher = new Dispatcher(relays.map(({ port }) => port));
  const services = { dispatcher, states: new PackStatePool(dispatcher.workers) };
  const packed = async (name: string) => {
    begun.length = 0;
    const options = { baseline: name, reuse: [], onLayer: () => Promise.resolve() };
    const { stats } = await pack(services, { area: "workspaces", name }, options);
    return [stats.files, begun.length];
  };
  try {
    const make = (name: string, directories: number, files: number, size: number) => {
      for (let n = 0; n < directories; n++) {
        const path = join(areas.workspaces, name, `d${n}`);
        Deno.mkdirSync(path, { recursive: true });
        for (let f = 0; f < files; f++) {
          Deno.writeFileSync(join(path, `${f}`), new Uint8Array(size));
        }
      }
    };
    make("small", 10, 20, 100);
    assertEquals(await packed("small"), [200, 1]);
    make("many", 10, 100, 0);
    assertEquals(await packed("many"), [1000, 2]);
    make("heavy", 4, 2, 2 << 20);
    assertEquals(await packed("heavy"), [8, 2]);
    make("large", 1, 1, 16 << 20);
    assertEquals(await packed("large"), [1, 2]);
  } finally {
    dispatcher.close();
    terminate();
  }
});
