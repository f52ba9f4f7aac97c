import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { parseAddress, resolveAddress } from "../../src/address.ts";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { rpcPermissions } from "../../src/process/rpc_permissions.ts";
import { temporaryFolder } from "./fixture.ts";

function nextMessage(worker: Worker): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    resolve(event.message);
  };
  return promise;
}

/** A Worker that may serve at `allowed` and do nothing else. */
async function confined(allowed: string[]): Promise<Worker> {
  const addresses = await Promise.all(allowed.map((text) => resolveAddress(parseAddress(text))));
  const { net, read, write, env } = rpcPermissions(addresses);
  const permissions = { net, read, write, env, run: false, sys: false, ffi: false, import: false };
  return new Worker(new URL("confined_worker.ts", import.meta.url), {
    type: "module",
    deno: { permissions },
  });
}

async function start(worker: Worker, listen: string[]): Promise<unknown> {
  const answer = nextMessage(worker);
  worker.postMessage(listen);
  return await answer;
}

Deno.test("the API is served, health and all, with the permissions that are computed for it", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "s");
  const listen = ["localhost:0", "[::1]:0", `unix://${path}`];
  const worker = await confined(listen);
  try {
    const addresses = await start(worker, ["127.0.0.1:0", ...listen.slice(1)]);
    assertEquals(Array.isArray(addresses), true, String(addresses));
    for (const address of addresses as string[]) {
      using client = new WorkspaceClient({ address });
      assertEquals(await client.isWorkspaceExists("a"), true);
    }
    assertEquals((await Deno.lstat(path)).mode! & 0o777, 0o660);
    const stopped = nextMessage(worker);
    worker.postMessage([]);
    assertEquals(await stopped, "stopped");
  } finally {
    worker.terminate();
  }
});

Deno.test("an address that was not allowed cannot be served", async () => {
  const worker = await confined(["127.0.0.1:0"]);
  try {
    const answer = String(await start(worker, ["[::1]:0"]));
    assertStringIncludes(answer, 'Requires net access to "[::1]:0"');
  } finally {
    worker.terminate();
  }
});
