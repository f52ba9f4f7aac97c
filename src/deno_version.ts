/**
 * What can be relied on in a version of Deno. Binaries that are compiled with nothing but the npm
 * registry run on 2.7.11, all others on the version that compiles them.
 */

/** The first version whose HTTP/2 loses no answers, and serves unix sockets and TLS. */
const SOUND_HTTP2 = [2, 7, 14] as const;
/** The first version that reads a resumed socket into fresh memory. */
const SOUND_PAUSE = [2, 8, 0] as const;
/** The first version in which a server's HTTP/2 session can send a PING and is told of the answer. */
const SOUND_PING = [2, 8, 0] as const;

/** Returns whether HTTP/2 clients get every answer, and servers answer on unix sockets and do TLS. */
export function hasSoundHttp2(version: string): boolean {
  return isAtLeast(version, SOUND_HTTP2);
}

/**
 * Returns whether sockets of `node:net` can be paused. Earlier ones begin a second read when a socket is
 * resumed, into the memory of the first: bytes are overwritten before they are seen.
 */
export function canPauseSockets(version: string): boolean {
  return isAtLeast(version, SOUND_PAUSE);
}

/**
 * Returns whether an HTTP/2 server can ask by PING whether its client is still there. Earlier ones throw or
 * hear no answer, which `@grpc/grpc-js` takes for a dead connection: it ends it with all its calls.
 */
export function canPing(version: string): boolean {
  return isAtLeast(version, SOUND_PING);
}

/** Returns a warning about this version of Deno for users of the client; `undefined` where none is due. */
export function clientWarning(version: string): string | undefined {
  if (hasSoundHttp2(version)) return undefined;
  return `Deno ${version} loses answers to gRPC clients, so this may fail or wait for ever though ` +
    "the daemon did it; call it with wsdaemon on Deno 2.8.3, or with another gRPC client";
}

function isAtLeast(version: string, least: readonly [number, number, number]): boolean {
  const parts = version.split(".").map((part) => parseInt(part, 10));
  const differs = least.findIndex((part, index) => parts[index] !== part);
  return differs < 0 || (parts[differs] ?? 0) > least[differs]!;
}
