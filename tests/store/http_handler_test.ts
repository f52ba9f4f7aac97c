import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { joinBytes } from "../../src/archive/bytes.ts";
import { type OutgoingRequest, ProgressHandler } from "../../src/store/s3/http_handler.ts";
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

function serve(server: http.Server) {
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
