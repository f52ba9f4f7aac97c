/** Commands that wait for an operation which they have begun. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { abortable } from "@std/async";
import type { Session } from "../../src/cli/client/connect.ts";
import { goesOn } from "../../src/cli/client/goes_on.ts";
import { untilEnded } from "../../src/cli/operations/until_ended.ts";
import { ClientError, WorkspaceClient } from "../../src/client/mod.ts";
import { systemClock } from "../../src/clock.ts";
import { type Operation, OperationRegistry } from "../../src/operations/mod.ts";
import { noStore } from "../../src/store/no_store.ts";
import { eventually } from "../fixtures/eventually.ts";
import { administration, TestServer } from "../rpc/fixture.ts";
import { inProcess } from "./in_process.ts";

/** A server whose store does not answer before somebody gives up, and whose drain does not end by itself. */
async function serveStuck() {
  const operations = new OperationRegistry(systemClock);
  const store = {
    ...noStore,
    minimumGraceMs: 0,
    now: ({ signal }: { signal?: AbortSignal | undefined } = {}) =>
      new Promise<number>((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
      }),
  };
  const workspaces = {
    all: () => [],
    get: () => {
      throw new Error("not used");
    },
    isPending: () => false,
    drain: () => {
      const began = Promise.withResolvers<Operation>();
      operations.run({ kind: "drain" }, (operation) => {
        began.resolve(operation);
        operation.progress.setTotal({ files: 3 });
        return abortable(new Promise<void>(() => {}), operation.signal);
      }).catch(() => {});
      return began.promise;
    },
    undrain: () => false,
  };
  const node = administration({ operations, store, workspaces });
  const server = await TestServer.start({}, { administration: node });
  return {
    operations,
    address: server.address(),
    async [Symbol.asyncDispose]() {
      await node[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a wait for an operation ends with its time, and says which operation goes on", async () => {
  await using node = await serveStuck();
  using client = new WorkspaceClient({ address: node.address });
  const { operation } = await client.operations.call("runCollection", {});
  const session: Session = {
    client,
    operations: client.operations,
    operationsAddress: node.address,
    call: {},
    until: Date.now() + 50,
    json: false,
    quiet: true,
    interrupted: new AbortController().signal,
  };
  assertEquals(await goesOn(session), "");
  const { code } = await assertRejects(() => untilEnded(operation!, session), ClientError);
  assertEquals(code, "DEADLINE_EXCEEDED");
  const hint = `; the daemon goes on with collection ${operation!.id}: "wsdaemon ops" shows it, ` +
    '"wsdaemon cancel" ends it';
  assertEquals(await goesOn(session), hint);
  await client.operations.call("cancelOperation", { id: operation!.id });
  assertEquals(await goesOn(session), "");
});

Deno.test("a command whose operation somebody cancels says so by a code of its own", async () => {
  await using node = await serveStuck();
  const command = inProcess("collect", "--addr", node.address, "--json");
  const id = await eventually(() => {
    const [running] = node.operations.running();
    assert(running);
    return Promise.resolve(running.id);
  });
  node.operations.cancel(id);
  const { code, stdout, stderr } = await command;
  assertEquals([code, stdout], [4, ""]);
  const { error } = JSON.parse(stderr);
  assertEquals([error.code, error.reason], ["ABORTED", "OPERATION_CANCELLED"]);
  assertMatch(error.message, new RegExp(`^collection ${id}: `));
});

Deno.test("a drain that somebody ends says so by the code of a cancellation", async () => {
  await using node = await serveStuck();
  const command = inProcess("drain", "--addr", node.address);
  const id = await eventually(() => {
    const [running] = node.operations.running();
    assert(running);
    return Promise.resolve(running.id);
  });
  node.operations.cancel(id);
  const { code, stdout, stderr } = await command;
  assertEquals([code, stdout], [4, ""]);
  assertMatch(
    stderr,
    new RegExp(`^error: The drain was ended: ABORTED: Operation ${id} was cancelled`),
  );
});
