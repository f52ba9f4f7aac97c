import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ClientError, UnreachableError, WorkspaceClient } from "../../src/client/mod.ts";
import { DaemonError } from "../../src/errors.ts";
import { temporaryFolder, TestServer } from "../rpc/fixture.ts";

Deno.test("a malformed address is INVALID_ARGUMENT before anything is connected", () => {
  const error = assertThrows(() => new WorkspaceClient({ address: "nowhere" }), DaemonError);
  assertEquals(error.code, "INVALID_ARGUMENT");
});

Deno.test("a daemon that cannot be reached is told from one that answers UNAVAILABLE", async () => {
  await using folder = await temporaryFolder();
  const address = `unix://${folder.path}/nobody`;
  using unreachable = new WorkspaceClient({ address });
  const error = await assertRejects(() => unreachable.isWorkspaceExists("a"), UnreachableError);
  assertEquals(error.code, "UNAVAILABLE");
  assertEquals(
    error.message,
    `Cannot reach a daemon at ${address}: connect ENOENT ${folder.path}/nobody`,
  );

  await using server = await TestServer.start({
    backup: () => Promise.reject(new DaemonError("UNAVAILABLE", "the store is out of reach")),
  });
  using client = server.client();
  const answer = await assertRejects(() => client.backupWorkspace("a"), ClientError);
  assertEquals([answer.code, answer.message], ["UNAVAILABLE", "the store is out of reach"]);
  assertEquals(answer instanceof UnreachableError, false);
});

Deno.test("a call with a signal that has aborted already is CANCELLED", async () => {
  await using server = await TestServer.start({ exists: () => true });
  using client = server.client();
  const signal = AbortSignal.abort();
  const error = await assertRejects(() => client.isWorkspaceExists("a", { signal }), ClientError);
  assertEquals(error.code, "CANCELLED");
  assertEquals(await client.isWorkspaceExists("a"), true);
});
