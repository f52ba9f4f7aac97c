import { assertEquals, assertRejects } from "@std/assert";
import { OutboundRefused } from "../src/outbound/dial.ts";
import { EgressProxy } from "../src/outbound/egress_proxy.ts";
import { HttpClient } from "../src/outbound/http.ts";

Deno.test("requests go through the egress proxy whatever NO_PROXY says", async () => {
  using egressProxy = new EgressProxy({ allowLoopback: false, allowHosts: [], denyHosts: [] });
  let asked = 0;
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    asked++;
    return new Response("secret");
  });
  for (const name of ["NO_PROXY", "no_proxy"]) {
    for (const host of ["127.0.0.1", "localhost"]) {
      Deno.env.set(name, "127.0.0.1,localhost,*");
      using client = new HttpClient(egressProxy);
      const signal = AbortSignal.timeout(10_000);
      const url = `http://${host}:${server.addr.port}/`;
      await assertRejects(() => client.get(url, { signal }), OutboundRefused);
    }
  }
  assertEquals(asked, 0);
});
