import { assertEquals } from "@std/assert";
import { ProgressHandler } from "../../src/store/s3/http_handler.ts";

Deno.test("a request waits longer once its tail is in the system's buffer", async () => {
  const stallMs = 1_000_000;
  const waits: number[] = [];
  const { setTimeout } = globalThis;
  globalThis.setTimeout = ((work: () => void, milliseconds?: number) => {
    if (milliseconds !== undefined && milliseconds >= stallMs) waits.push(milliseconds);
    return setTimeout(work, milliseconds);
  }) as typeof globalThis.setTimeout;
  const quiet = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const server = Deno.serve(quiet, async (request) => {
    await request.arrayBuffer();
    return new Response();
  });
  const handler = new ProgressHandler({
    stallMs,
    slowestRate: 1000,
    connections: 1,
    secure: false,
    observer: { onAnswer() {}, onBytes() {} },
  });
  try {
    const { response } = await handler.handle({
      method: "PUT",
      protocol: "http:",
      hostname: "127.0.0.1",
      port: server.addr.port,
      path: "/",
      headers: { "content-length": "50000" },
      body: new Uint8Array(50_000),
    });
    response.body?.resume();
    await new Promise((resolve) => response.body?.once("close", resolve));
    assertEquals(response.statusCode, 200);
    assertEquals(waits.filter((wait) => wait > stallMs), [stallMs + 50_000]);
  } finally {
    globalThis.setTimeout = setTimeout;
    handler.destroy();
    await server.shutdown();
  }
});
