import { assertEquals } from "@std/assert";
import { answers, serve, tlsTest } from "../rpc/tls_fixture.ts";

tlsTest("a client refuses a server whose certificate is for another name", async (all) => {
  const { ca, server, client } = all;
  await using other = await serve(client);
  assertEquals(await answers(other, { ca }), false);
  assertEquals(await answers(other, { ca, serverName: "client" }), true);
  await using tls = await serve(server);
  for (const serverName of ["localhost", "127.0.0.1"]) {
    assertEquals(await answers(tls, { ca, serverName }), true);
  }
  for (const serverName of ["example.org", "127.0.0.2"]) {
    assertEquals(await answers(tls, { ca, serverName }), false);
  }
});
