import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { createHash } from "node:crypto";
import * as http from "node:http";
import * as https from "node:https";
import * as net from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { joinBytes } from "../../src/archive/bytes.ts";
import { type OutgoingRequest, ProgressHandler } from "../../src/store/s3/http_handler.ts";
import { StallError } from "../../src/store/s3/s3_errors.ts";
import { streamSlice } from "../../src/store/s3/slice.ts";
import { ManualClock } from "../fixtures/clock.ts";
import { hasOpenssl, makeCertificates } from "../rpc/certificates.ts";
import { testFolder } from "../fixtures/folder.ts";

const SIZES = [0, 1, 65_535, 65_536, 65_537, 300_000, 5_000_000, 2, 1_000_000];

/** Bytes that tell where they are, and whose. */
function bytesOf(seed: number, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * 31 + (at >> 8) + seed) & 0xff;
  return bytes;
}

function digest(...parts: Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

function serve(server: net.Server) {
  const listening = Promise.withResolvers<number>();
  server.listen(0, "127.0.0.1", () => listening.resolve((server.address() as AddressInfo).port));
  return {
    port: listening.promise,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

for (const secure of [false, true]) {
  Deno.test({
    name: `bodies go and come whole, on connections used again, ${
      secure ? "over TLS" : "in the clear"
    }`,
    ignore: secure && !hasOpenssl,
    fn: async () => {
      using folder = testFolder();
      const made = secure ? await makeCertificates(folder.path) : undefined;
      const text = (pem: Uint8Array) => new TextDecoder().decode(pem);
      const connections = new Set<Socket>();
      const answer = (request: http.IncomingMessage, response: http.ServerResponse) => {
        connections.add(request.socket);
        // Only when it has come: an answer before that is a refusal.
        const parts: Uint8Array[] = [];
        request.on("data", (part) => parts.push(part));
        request.on("end", () => {
          response.setHeader("content-length", request.headers["content-length"]!);
          response.end(joinBytes(...parts));
        });
      };
      await using server = serve(
        made
          ? https.createServer({ cert: text(made.server.cert), key: text(made.server.key) }, answer)
          : http.createServer(answer),
      );
      const port = await server.port;
      const handler = new ProgressHandler({
        stallMs: 20_000,
        slowestRate: 1_000_000,
        secure,
        ...(made ? { ca: text(made.ca) } : {}),
        observer: { onAnswer() {}, onBytes() {} },
      });
      const echo = async (seed: number, size: number, body: OutgoingRequest["body"]) => {
        const { response } = await handler.handle({
          method: "PUT",
          protocol: secure ? "https:" : "http:",
          hostname: "127.0.0.1",
          port,
          path: "/",
          headers: { host: "s3", "content-length": `${size}` },
          body,
        });
        const parts: Uint8Array[] = [];
        for await (const part of response.body!) parts.push(part);
        assertEquals(digest(...parts), digest(bytesOf(seed, size)), `${size} bytes`);
      };
      try {
        const lanes = [1, 2].map(async (seed) => {
          for (const size of SIZES) {
            await echo(seed, size, new Blob([bytesOf(seed, size)]).stream());
            await echo(seed, size, bytesOf(seed, size));
          }
        });
        await Promise.all(lanes);
        assertEquals(connections.size, lanes.length);
      } finally {
        handler.destroy();
      }
    },
  });
}

const MIB = 1 << 20;
const STALL_MS = 3600_000;
const QUIET = { onAnswer() {}, onBytes() {} };

/** Sends a request and reads its answer. */
async function ask(
  handler: ProgressHandler,
  port: number,
  more: Partial<OutgoingRequest> = {},
  abortSignal?: AbortSignal,
): Promise<number> {
  const { response } = await handler.handle({
    method: "GET",
    protocol: "http:",
    hostname: "127.0.0.1",
    port,
    path: "/",
    headers: { host: "s3" },
    ...more,
  }, { abortSignal });
  for await (const _ of response.body ?? []);
  return response.statusCode;
}

for (const end of ["a stall", "an abort", "closing"] as const) {
  Deno.test(`${end} ends a request on a kept connection at once, and nothing sends it again`, async () => {
    const requests: string[] = [];
    let isAsked = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    const silent = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.on("close", () => closed.resolve());
      socket.on("data", (bytes) => {
        requests.push(bytes.toString().split(" ")[1]!);
        if (requests.length === 1) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        isAsked.resolve();
      });
    });
    await using server = serve(silent);
    const port = await server.port;
    const clock = new ManualClock();
    const options = { stallMs: STALL_MS, slowestRate: 1, secure: false, observer: QUIET, clock };
    const handler = new ProgressHandler(options);
    assertEquals(await ask(handler, port, { path: "/first" }), 200);
    isAsked = Promise.withResolvers<void>();
    const stop = new AbortController();
    const answer = ask(handler, port, { path: "/second" }, stop.signal);
    await isAsked.promise;
    if (end === "a stall") clock.wakeLong(STALL_MS);
    if (end === "an abort") stop.abort(new Error("disposed"));
    if (end === "closing") handler.destroy();
    const error = await assertRejects(() => answer);
    if (end === "a stall") assertInstanceOf(error, StallError);
    await closed.promise;
    assertEquals(requests, ["/first", "/second"]);
    handler.destroy();
  });
}

Deno.test("uploads of which a third meet a reset fail alone, and their files are closed", async () => {
  using folder = testFolder();
  const path = join(folder.path, "spool");
  await Deno.writeFile(path, bytesOf(7, MIB));
  const expected = digest(bytesOf(7, MIB));
  let requests = 0;
  let mangled = 0;
  const resetting = net.createServer((socket) => {
    let received: Uint8Array[] = [];
    socket.on("error", () => {});
    socket.on("data", (bytes: Uint8Array) => {
      if (received.length === 0 && ++requests % 3 === 0) {
        socket.resetAndDestroy();
        return;
      }
      received.push(bytes);
      const all = joinBytes(...received);
      const body = new TextDecoder("latin1").decode(all.subarray(0, 1000)).indexOf("\r\n\r\n") + 4;
      if (all.length < body + MIB) return;
      if (digest(all.subarray(body)) !== expected) mangled++;
      received = [];
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
  });
  await using server = serve(resetting);
  const port = await server.port;
  const handler = new ProgressHandler({
    stallMs: 600_000,
    slowestRate: 1,
    secure: false,
    observer: QUIET,
  });
  const outcomes = { ok: 0, failed: 0 };
  const put = async () => {
    const body = streamSlice({ path, offset: 0, length: MIB });
    const headers = { host: "s3", "content-length": `${MIB}` };
    await ask(handler, port, { method: "PUT", headers, body })
      .then(() => outcomes.ok++, () => outcomes.failed++);
  };
  for (let round = 0; round < 15; round++) await Promise.all(Array.from({ length: 8 }, put));
  assertEquals({ ...outcomes, requests, mangled }, {
    ok: 80,
    failed: 40,
    requests: 120,
    mangled: 0,
  });
  const isOpen = ({ name }: Deno.DirEntry) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`) === path;
    } catch {
      return false;
    }
  };
  assertEquals([...Deno.readDirSync("/proc/self/fd")].filter(isOpen), []);
  handler.destroy();
});
