import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Dispatcher } from "../../src/content/dispatcher.ts";
import { Begun } from "../../src/content/pack/begun.ts";
import { pack } from "../../src/content/pack/pack.ts";
import type { ReplyMessage, RequestMessage } from "../../src/content/protocol.ts";
import { startWorkers } from "../fixtures/content.ts";
import { testFolder } from "../fixtures/folder.ts";

/** What goes by between the dispatcher and one Worker. */
interface Relay {
  /** The dispatcher's end. */
  readonly port: MessagePort;
  /** Called for each message to the Worker; passes it on by `pass`. */
  onRequest(message: RequestMessage, pass: () => void): void;
  /** Called for each message from the Worker. */
  onReply(message: ReplyMessage, pass: () => void): void;
}

function relay(worker: MessagePort): Relay {
  const { port1, port2 } = new MessageChannel();
  const made: Relay = {
    port: port1,
    onRequest: (_, pass) => pass(),
    onReply: (_, pass) => pass(),
  };
  port2.onmessage = ({ data }) => made.onRequest(data, () => worker.postMessage(data));
  worker.onmessage = ({ data }) => made.onReply(data, () => port2.postMessage(data));
  return made;
}

Deno.test("what a Worker has packed counts, even if another's end is heard of first", async () => {
  using folder = testFolder();
  const { ports, areas, terminate } = startWorkers(folder.path, 3);
  const relays = ports.map(relay);
  const dispatcher = new Dispatcher(relays.map(({ port }) => port));
  try {
    for (let n = 0; n < 20; n++) {
      Deno.mkdirSync(join(areas.workspaces, "w", `d${n}`), { recursive: true });
      Deno.writeTextFileSync(join(areas.workspaces, "w", `d${n}`, "file"), `${n}`);
    }
    const [, idle, busy] = relays as [Relay, Relay, Relay];
    const tree = { area: "workspaces", name: "w" } as const;
    // One does everything, which nobody hears of until the other has found nothing to do.
    const late = Promise.withResolvers<void>();
    const busyDone = Promise.withResolvers<void>();
    let cancel: Int32Array | undefined;
    busy.onRequest = ({ operation, cancel: flag }, pass) => {
      if (operation === "packPart") cancel = new Int32Array(flag!);
      pass();
    };
    busy.onReply = (reply, pass) => {
      if (reply.kind === "done" && cancel) busyDone.resolve();
      if (cancel) late.promise.then(pass);
      else pass();
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
    const packing = pack(dispatcher, tree, {
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
    assertEquals([stats.files, stats.directories], [20, 21]);
  } finally {
    dispatcher.close();
    terminate();
  }
});

Deno.test("a part either begins or is withdrawn", () => {
  const memory = Begun.memory(2);
  assertEquals(new Begun(memory).begin(0), true);
  assertEquals(new Begun(memory).withdraw(0), false);
  assertEquals(new Begun(memory).withdraw(1), true);
  assertEquals(new Begun(memory).begin(1), false);
});
