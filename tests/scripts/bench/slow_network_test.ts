import { assert, assertEquals } from "@std/assert";
import { SlowNetwork } from "../../../scripts/bench/slow_network.ts";

/** An HTTP server that answers with what it was sent. */
function startEcho() {
  return Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => new Response(await request.arrayBuffer()),
  );
}

Deno.test("a slow network passes all bytes on, both ways, in the time that they take", async () => {
  await using server = startEcho();
  const { port } = server.addr;
  const bytesPerSecond = 20e6;
  await using network = new SlowNetwork({ port, roundTripMs: 10, bytesPerSecond });
  const sent = crypto.getRandomValues(new Uint8Array(60_000));
  const body = new Uint8Array(20 * sent.length);
  for (let n = 0; n < 20; n++) body.set(sent, n * sent.length);
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  const start = performance.now();
  const answers = await Promise.all([1, 2].map(async () => {
    const answer = await fetch(network.endpoint, { method: "POST", body, client });
    return await answer.bytes();
  }));
  const seconds = (performance.now() - start) / 1000;
  for (const answer of answers) assertEquals(answer, body);
  // Both share the line, and no machine makes it faster.
  assert(seconds > 2 * body.length / bytesPerSecond, `${seconds} s`);
});
