import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import {
  passwordReply,
  readConnect,
  readPassword,
  REPLY,
  reply,
  writeAll,
} from "../../src/outbound/socks.ts";

/** A client whose bytes come in chunks of the given sizes, and that takes a few bytes at a time. */
class Client {
  readonly received: number[] = [];
  readonly #bytes: readonly number[];
  readonly #chunk: number;
  #at = 0;

  constructor(bytes: readonly number[], chunk = 1) {
    this.#bytes = bytes;
    this.#chunk = chunk;
  }

  read(into: Uint8Array): Promise<number | null> {
    const part = this.#bytes.slice(this.#at, this.#at + Math.min(this.#chunk, into.length));
    if (part.length === 0) return Promise.resolve(null);
    into.set(part);
    this.#at += part.length;
    return Promise.resolve(part.length);
  }

  write(bytes: Uint8Array): Promise<number> {
    const taken = bytes.subarray(0, 2);
    this.received.push(...taken);
    return Promise.resolve(taken.length);
  }
}

const encode = (text: string) => [...new TextEncoder().encode(text)];
const field = (text: string) => [encode(text).length, ...encode(text)];
const port = (value: number) => [value >> 8, value & 0xff];

Deno.test("a client's password is read, however its bytes are cut", async () => {
  await fc.assert(fc.asyncProperty(
    fc.string({ unit: "grapheme", maxLength: 60 }),
    fc.integer({ min: 1, max: 9 }),
    async (password, chunk) => {
      const client = new Client([5, 2, 0, 2, 1, ...field("user"), ...field(password)], chunk);
      assertEquals(await readPassword(client), password);
      assertEquals(client.received, [5, 2]);
    },
  ));
});

Deno.test("a client of another version, or without a password, is refused", async () => {
  await assertRejects(() => readPassword(new Client([4, 1])), Error, "SOCKS version 4");
  const client = new Client([5, 1, 0]);
  await assertRejects(() => readPassword(client), Error, "no password");
  assertEquals(client.received, [5, 0xff]);
});

Deno.test("hosts are read as names, IPv4 and IPv6 addresses", async () => {
  const read = (...address: number[]) => readConnect(new Client([5, 1, 0, ...address], 3));
  assertEquals(await read(3, ...field("example.com"), ...port(443)), {
    host: "example.com",
    port: 443,
  });
  assertEquals(await read(1, 192, 0, 2, 1, ...port(80)), { host: "192.0.2.1", port: 80 });
  const v6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
  assertEquals(await read(4, ...v6, ...port(65535)), { host: "2001:db8:0:0:0:0:0:1", port: 65535 });
});

Deno.test("every command but CONNECT, and an unknown kind of address, is refused", async () => {
  for (const command of [0, 2, 3, 255]) {
    const client = new Client([5, command, 0, 3, ...field("h"), ...port(1)], 4);
    await assertRejects(() => readConnect(client), Error, `SOCKS command ${command}`);
    assertEquals(client.received, [...reply(REPLY.unknownCommand)]);
  }
  await assertRejects(() => readConnect(new Client([5, 1, 0, 9])), Error, "address type 9");
});

Deno.test("a client that ends at any byte is a failure, and never a shorter host", async () => {
  const whole = [5, 1, 0, 3, ...field("example.com"), ...port(443)];
  for (let length = 0; length < whole.length; length++) {
    const client = new Client(whole.slice(0, length), 5);
    await assertRejects(() => readConnect(client), Error, "disconnected");
  }
});

Deno.test("replies are written whole, though a write takes a part of them", async () => {
  const client = new Client([]);
  await writeAll(client, reply(REPLY.notAllowed));
  await writeAll(client, passwordReply(true));
  await writeAll(client, passwordReply(false));
  assertEquals(client.received, [5, 2, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1]);
});
