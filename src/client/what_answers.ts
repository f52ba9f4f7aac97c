/** Finds out what answers at an address where no gRPC connection in the clear could be made. */

import type { Address } from "../address.ts";

/** What a server's first bytes say of it. */
export type Answer = "grpc" | "http1" | "nothing" | "tls";

/** The preface of HTTP/2 with empty settings, which any gRPC server answers. */
const PREFACE = new Uint8Array([
  ...new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  ...[0, 0, 0, 4, 0, 0, 0, 0, 0],
]);

/** Milliseconds for a server to say something. */
const TIMEOUT_MS = 2_000;

/** A record of TLS that carries an alert, of any version 3.x. */
const TLS_ALERT = [0x15, 0x03] as const;
/** The type of a SETTINGS frame of HTTP/2, by which every connection begins; it follows a length. */
const SETTINGS = 4;

/** Connects in the clear, says hello in HTTP/2 and looks at the answer. Never rejects. */
export async function whatAnswers(address: Address): Promise<Answer> {
  try {
    using connection = await connect(address);
    const timer = setTimeout(() => connection.close(), TIMEOUT_MS);
    try {
      await connection.write(PREFACE);
      const bytes = new Uint8Array(16);
      const read = await connection.read(bytes);
      return answerOf(bytes.subarray(0, read ?? 0));
    } finally {
      clearTimeout(timer);
    }
  } catch {
    return "nothing";
  }
}

function connect(address: Address): Promise<Deno.Conn> {
  return address.kind === "unix"
    ? Deno.connect({ transport: "unix", path: address.path })
    : Deno.connect({ hostname: address.host, port: address.port });
}

function answerOf(bytes: Uint8Array): Answer {
  if (TLS_ALERT.every((byte, at) => bytes[at] === byte)) return "tls";
  if (bytes[3] === SETTINGS) return "grpc";
  return new TextDecoder().decode(bytes).startsWith("HTTP/1") ? "http1" : "nothing";
}
