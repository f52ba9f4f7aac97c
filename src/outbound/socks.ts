/** SOCKS5 as RFC 1928 and RFC 1929 have it, from a server's side: CONNECT with a password. */

const VERSION = 5;
const PASSWORD_VERSION = 1;
const PASSWORD_METHOD = 2;
const NO_METHOD = 0xff;
const CONNECT = 1;

export const REPLY = { succeeded: 0, notAllowed: 2, unreachable: 4, unknownCommand: 7 } as const;

/** What both ends of a connection offer. */
type Peer = Pick<Deno.TcpConn, "read" | "write">;

const text = new TextDecoder();

/** A reply without an address of its own. */
export function reply(code: (typeof REPLY)[keyof typeof REPLY]): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0);
}

/** The answer to a password. */
export function passwordReply(accepted: boolean): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(PASSWORD_VERSION, accepted ? 0 : 1);
}

/** Greets a client and reads the password it gives. @throws {Error} where it does not speak SOCKS5. */
export async function readPassword(peer: Peer): Promise<string> {
  const version = await readByte(peer);
  if (version !== VERSION) throw new Error(`SOCKS version ${version} is not spoken here`);
  const methods = await readField(peer);
  const offered = methods.includes(PASSWORD_METHOD);
  await writeAll(peer, Uint8Array.of(VERSION, offered ? PASSWORD_METHOD : NO_METHOD));
  if (!offered) throw new Error("the client has no password to give");
  await readByte(peer);
  await readField(peer);
  return text.decode(await readField(peer));
}

/** Reads where the client wants to go. @throws {Error} for anything but CONNECT. */
export async function readConnect(peer: Peer): Promise<{ host: string; port: number }> {
  await readByte(peer);
  const command = await readByte(peer);
  await readByte(peer);
  const host = await readHost(peer, await readByte(peer));
  const port = await readByte(peer) * 256 + await readByte(peer);
  if (command !== CONNECT) {
    await writeAll(peer, reply(REPLY.unknownCommand));
    throw new Error(`SOCKS command ${command} is not done here`);
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

/** A field that its length in one byte precedes. */
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
    if (read === null) throw new Error("the client broke off");
    at += read;
  }
  return bytes;
}

/** Writes everything; one write may take only a part. */
export async function writeAll(peer: Pick<Peer, "write">, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await peer.write(bytes.subarray(at));
}
