/** The server's side of SOCKS5 (RFC 1928) with a password (RFC 1929): the command CONNECT alone. */

const VERSION = 5;
const PASSWORD_VERSION = 1;
const PASSWORD_METHOD = 2;
const NO_METHOD = 0xff;
const CONNECT = 1;

/** Reply codes of RFC 1928, section 6. */
export const REPLY = { succeeded: 0, notAllowed: 2, unreachable: 4, unknownCommand: 7 } as const;

/** The connection to a client. */
type Peer = Pick<Deno.TcpConn, "read" | "write">;

const text = new TextDecoder();

/** Returns a reply without a bound address. */
export function reply(code: (typeof REPLY)[keyof typeof REPLY]): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0);
}

/** Returns the reply to a password. */
export function passwordReply(accepted: boolean): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(PASSWORD_VERSION, accepted ? 0 : 1);
}

/** Negotiates the method, and returns the client's password. @throws {Error} where it speaks no SOCKS5 */
export async function readPassword(peer: Peer): Promise<string> {
  const version = await readByte(peer);
  if (version !== VERSION) throw new Error(`SOCKS version ${version} is not supported`);
  const methods = await readField(peer);
  const offered = methods.includes(PASSWORD_METHOD);
  await writeAll(peer, Uint8Array.of(VERSION, offered ? PASSWORD_METHOD : NO_METHOD));
  if (!offered) throw new Error("the client has no password to give");
  await readByte(peer);
  await readField(peer);
  return text.decode(await readField(peer));
}

/** Returns the host and port that a client asks for. @throws {Error} for any command but CONNECT */
export async function readConnect(peer: Peer): Promise<{ host: string; port: number }> {
  await readByte(peer);
  const command = await readByte(peer);
  await readByte(peer);
  const host = await readHost(peer, await readByte(peer));
  const port = await readByte(peer) * 256 + await readByte(peer);
  if (command !== CONNECT) {
    await writeAll(peer, reply(REPLY.unknownCommand));
    throw new Error(`SOCKS command ${command} is not supported`);
  }
  return { host, port };
}

async function readHost(peer: Peer, addressType: number): Promise<string> {
  switch (addressType) {
    case 1:
      return [...await readExactly(peer, 4)].join(".");
    case 3:
      return text.decode(await readField(peer));
    case 4: {
      const view = new DataView((await readExactly(peer, 16)).buffer);
      return Array.from({ length: 8 }, (_, n) => view.getUint16(n * 2).toString(16)).join(":");
    }
    default:
      throw new Error(`SOCKS address type ${addressType} is not known`);
  }
}

/** Reads a field that its length in one byte precedes. */
async function readField(peer: Peer): Promise<Uint8Array> {
  return await readExactly(peer, await readByte(peer));
}

async function readByte(peer: Peer): Promise<number> {
  return (await readExactly(peer, 1))[0]!;
}

async function readExactly(peer: Peer, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const read = await peer.read(bytes.subarray(at));
    if (read === null) throw new Error("the client disconnected");
    at += read;
  }
  return bytes;
}

/** Writes everything; one write may take only a part. */
export async function writeAll(peer: Pick<Peer, "write">, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await peer.write(bytes.subarray(at));
}
