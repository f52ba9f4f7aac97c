/** Just enough of HTTP/1.1 to read a message off a connection and change it. */

const CRLF2 = new Uint8Array([13, 10, 13, 10]);

/** A request or an answer, its body unchunked. */
export interface HttpMessage {
  /** Request or status line. */
  first: string;
  headers: [name: string, value: string][];
  body: Uint8Array;
}

/** Reads one message; `undefined` where the connection ends before one begins. */
export async function readMessage(
  connection: Deno.Conn,
  options: { headOnly?: boolean } = {},
): Promise<HttpMessage | undefined> {
  const reader = new Reader(connection);
  const head = await reader.readHead();
  if (head === undefined) return undefined;
  const [first = "", ...lines] = head.split("\r\n");
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  const message = { first, headers, body: new Uint8Array() };
  if (options.headOnly) return message;
  const length = header(message, "content-length");
  const chunked = header(message, "transfer-encoding") === "chunked";
  const isRequest = !first.startsWith("HTTP/");
  const body = chunked
    ? await reader.readChunked()
    : length !== undefined
    ? await reader.read(Number(length))
    : isRequest || / (204|304) /.test(first)
    ? message.body
    : await reader.readAll();
  return { ...message, body };
}

/** A header's value. */
export function header({ headers }: HttpMessage, name: string): string | undefined {
  return headers.find(([one]) => one.toLowerCase() === name)?.[1];
}

/** The bytes of a message, with an honest length unless one is given. */
export function encodeMessage(
  { first, headers, body }: HttpMessage,
  { length = body.length, connection = "close" } = {},
): Uint8Array {
  const dropped = ["content-length", "transfer-encoding", "connection", "keep-alive"];
  const kept = headers.filter(([name]) => !dropped.includes(name.toLowerCase()));
  kept.push(["Content-Length", String(length)], ["Connection", connection]);
  const lines = [first, ...kept.map(([name, value]) => `${name}: ${value}`)];
  return concat([new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n"), body]);
}

/** Writes all of it. */
export async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await connection.write(bytes.subarray(written));
  }
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

class Reader {
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array();
  readonly #connection: Deno.Conn;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  async readHead(): Promise<string | undefined> {
    for (;;) {
      const at = indexOf(this.#buffer, CRLF2);
      if (at >= 0) {
        const head = new TextDecoder().decode(this.#buffer.subarray(0, at));
        this.#buffer = this.#buffer.slice(at + 4);
        return head;
      }
      if (!await this.#more()) return undefined;
    }
  }

  async read(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const parts = [this.#buffer];
    let have = this.#buffer.length;
    const chunk = new Uint8Array(1 << 16);
    while (have < length) {
      const read = await this.#connection.read(chunk);
      if (read === null) throw new Error("the connection ended within a body");
      parts.push(chunk.slice(0, read));
      have += read;
    }
    const whole = concat(parts);
    this.#buffer = whole.slice(length);
    return whole.slice(0, length);
  }

  async readChunked(): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array[] = [];
    for (;;) {
      const size = parseInt(await this.#line(), 16);
      if (size === 0) return concat(parts);
      parts.push(await this.read(size));
      await this.#line();
    }
  }

  async readAll(): Promise<Uint8Array<ArrayBuffer>> {
    while (await this.#more());
    return this.#buffer;
  }

  async #line(): Promise<string> {
    for (;;) {
      const at = indexOf(this.#buffer, CRLF2.subarray(0, 2));
      if (at >= 0) {
        const line = new TextDecoder().decode(this.#buffer.subarray(0, at));
        this.#buffer = this.#buffer.slice(at + 2);
        return line;
      }
      if (!await this.#more()) throw new Error("the connection ended within a chunk");
    }
  }

  async #more(): Promise<boolean> {
    const chunk = new Uint8Array(1 << 16);
    const read = await this.#connection.read(chunk);
    if (read === null) return false;
    this.#buffer = concat([this.#buffer, chunk.subarray(0, read)]);
    return true;
  }
}

function indexOf(haystack: Uint8Array, needle: Uint8Array): number {
  for (let at = haystack.indexOf(needle[0]!); at >= 0; at = haystack.indexOf(needle[0]!, at + 1)) {
    if (needle.every((byte, n) => haystack[at + n] === byte)) return at;
  }
  return -1;
}
