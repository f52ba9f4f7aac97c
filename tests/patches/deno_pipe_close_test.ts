import "../../src/patches/deno_pipe_close.ts";
import { connect, createServer } from "node:net";
import process from "node:process";
import { once } from "node:events";
import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async";
import { join } from "@std/path";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { temporaryFolder, TestServer } from "../rpc/fixture.ts";

/** Each is a chance to close what a Worker opened meanwhile: enough that some would be taken. */
const CONNECTIONS = 150;

Deno.test("the sockets of a unix listener are closed once: no Worker loses a descriptor", async () => {
  await using folder = await temporaryFolder();
  const address = `unix://${join(folder.path, "s")}`;
  const stop = new SharedArrayBuffer(4);
  const worker = new Worker(new URL("opening_worker.ts", import.meta.url), { type: "module" });
  const next = () => new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data));
  try {
    const started = next();
    worker.postMessage(stop);
    await started;
    {
      await using _server = await TestServer.start({ exists: () => true }, { listen: [address] });
      for (let i = 0; i < CONNECTIONS; i++) {
        using client = new WorkspaceClient({ address });
        assert(await client.isWorkspaceExists("a", { deadline: 30_000 }));
      }
    }
    const lost = next();
    Atomics.store(new Int32Array(stop), 0, 1);
    assertEquals(await lost, []);
  } finally {
    worker.terminate();
  }
});

Deno.test("a unix socket is closed later where there is no descriptor left to do it with", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "s");
  const server = createServer();
  server.listen(path);
  await once(server, "listening");
  const client = connect(path);
  const [accepted] = await once(server, "connection");
  // Closing the listener removes its file.
  const isListening = () => Deno.lstat(path).then(() => true, () => false);
  let closed = 0;
  for (const socket of [client, accepted]) socket.on("close", () => closed++);
  {
    using _full = noDescriptors();
    accepted.destroy();
    client.destroy();
    server.close();
    await delay(120);
    assertEquals([closed, await isListening()], [0, true]);
  }
  while (closed < 2 || await isListening()) await delay(5);
});

/** Has every attempt at duplicating a socket's descriptor fail until the end of the scope. */
function noDescriptors(): Disposable {
  const { prototype } = (process as unknown as {
    binding(name: "pipe_wrap"): { Pipe: { prototype: { fdForIpc(): number } } };
  }).binding("pipe_wrap").Pipe;
  const { fdForIpc } = prototype;
  prototype.fdForIpc = () => -1;
  return { [Symbol.dispose]: () => prototype.fdForIpc = fdForIpc };
}
