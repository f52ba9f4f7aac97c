import { assert, assertEquals, assertRejects } from "@std/assert";
import { ClientError } from "../../src/client/mod.ts";
import { DaemonError, invalid } from "../../src/errors.ts";
import { TestServer } from "./fixture.ts";

Deno.test("a client reads reason, field, resource and pause of a failure", async () => {
  await using server = await TestServer.start({
    backup: (id) =>
      Promise.reject(
        new DaemonError("ALREADY_EXISTS", "m", {
          reason: "WORKSPACE_BEING_DELETED",
          resource: { type: "workspace", name: id },
        }),
      ),
  });
  using client = server.client();
  const busy = await assertRejects(() => client.backupWorkspace("w"), ClientError);
  assertEquals(busy.reason, "WORKSPACE_BEING_DELETED");
  assertEquals(busy.details?.resource, { type: "workspace", name: "w" });
  assertEquals(busy.details?.retryAfter, 5000);
  const wrong = await assertRejects(
    () => client.initWorkspace({ id: "w", metadata: { owner: "", metaId: "m" } }),
    ClientError,
  );
  assertEquals(wrong.code, "INVALID_ARGUMENT");
  assertEquals(wrong.details?.violations.map(({ field }) => field), ["metadata.owner"]);
});

Deno.test("a call that the end of the server cuts off is told so as a reason", async () => {
  const { promise: started, resolve: start } = Promise.withResolvers<void>();
  const server = await TestServer.start({
    waitForInit: () => {
      start();
      return new Promise<void>(() => {});
    },
  });
  using client = server.client();
  const waiting = assertRejects(() => client.waitForInit("w"), ClientError);
  await started;
  await server.rpc.stop(0);
  const { code, reason, details } = await waiting;
  assertEquals([code, reason], ["UNAVAILABLE", "SHUTTING_DOWN"]);
  assert(details?.retryAfter !== undefined);
});

Deno.test("a failure with endless words and paths reaches a client, with its reason", async () => {
  for (const text of ["x", "é", "\u{1f600}"]) {
    await using server = await TestServer.start({
      backup: () => Promise.reject(invalid(text.repeat(9000), text.repeat(9000))),
    });
    using client = server.client();
    const error = await assertRejects(() => client.backupWorkspace("w"), ClientError);
    assertEquals([error.code, error.reason], ["INVALID_ARGUMENT", "INVALID_REQUEST"]);
  }
});
