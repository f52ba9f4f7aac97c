/** Encodes the heads of HTTP/1.1 requests, and parses answers piece by piece (RFC 9112). */

/** Bounds an answer's head and its trailers; S3's heads have some hundred bytes. */
const MAX_HEAD_BYTES = 64 << 10;
/** Maximum answers of status 1xx before the final one. */
const MAX_INTERIM = 8;

/** The parts of a request's head. */
export interface RequestHead {
  method: string;
  /** The path and query, percent-encoded. */
  target: string;
  headers: Readonly<Record<string, string>>;
}

/** The head of an answer. */
export interface AnswerHead {
  status: number;
  /** Values by names in lower case; those of a repeated name are joined by `, `. */
  headers: Record<string, string>;
}

/** Returns the bytes of a request's head. @throws {TypeError} where a part would break the message */
export function encodeHead({ method, target, headers }: RequestHead): Uint8Array {
  if (!/^[A-Z]+$/.test(method)) throw new TypeError(`Cannot send the method ${method}`);
  if (!/^\/[\x21-\x7e]*$/.test(target)) throw new TypeError(`Cannot ask for the target ${target}`);
  const lines = [`${method} ${target} HTTP/1.1`];
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || !/^[\t\x20-\x7e]*$/.test(value)) {
      throw new TypeError(`Cannot send the header ${name} with such a value`);
    }
    lines.push(`${name}: ${value}`);
  }
  return new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n");
}

/** What ends an answer's body: its length, its last chunk, or the end of the connection. */
type Framing = { kind: "chunked" | "close" } | { kind: "length"; left: number };

/** Reads one answer. Returns the source's own bytes, without a copy, where that is possible. */
export class AnswerReader {
  readonly #source: () => Promise<Uint8Array | undefined>;
  /** Whether the request was a HEAD, whose answer has no body whatever it announces. */
  readonly #headOnly: boolean;
  /** Bytes that were read from the source and not returned yet. */
  #rest: Uint8Array = new Uint8Array();
  #framing: Framing = { kind: "length", left: 0 };
  /** Bytes of the body, or of its current chunk, that have not been read. */
  #left = 0;
  #delivered = 0;
  #isComplete = false;
  #keepMs: number | undefined;

  /** @param source returns the next bytes of the connection, `undefined` at its end */
  constructor(source: () => Promise<Uint8Array | undefined>, { headOnly }: { headOnly: boolean }) {
    this.#source = source;
    this.#headOnly = headOnly;
  }

  /** Whether the answer has been read to its end. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /**
   * How long the server keeps the connection open after this answer. Milliseconds; `Infinity` where it
   * does not tell, `undefined` where it closes the connection or sent more than the answer.
   */
  get keepMs(): number | undefined {
    return this.#isComplete && this.#rest.length === 0 ? this.#keepMs : undefined;
  }

  /** Reads the head. @throws {Error} where the answer is no HTTP/1.1, or the connection ends */
  async head(): Promise<AnswerHead> {
    for (let interim = 0; interim <= MAX_INTERIM; interim++) {
      const { head, version } = parseHead(await this.#readHead());
      if (head.status === 101) throw new Error("the server changes protocols unasked");
      if (head.status < 200) continue;
      this.#framing = framingOf(head, this.#headOnly);
      this.#keepMs = this.#framing.kind === "close" ? undefined : keepMsOf(head, version);
      if (this.#framing.kind === "length") {
        this.#left = this.#framing.left;
        this.#isComplete = this.#left === 0;
      }
      return head;
    }
    throw new Error("the server keeps answering with interim answers");
  }

  /**
   * Returns the next bytes of the body; `undefined` after the last.
   * @throws {Error} where the connection ends first
   */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#isComplete) return undefined;
    if (this.#framing.kind === "close") return await this.#nextUntilClose();
    if (this.#framing.kind === "chunked" && this.#left === 0) {
      await this.#beginChunk();
      if (this.#isComplete) return undefined;
    }
    const bytes = await this.#take(this.#left);
    if (!bytes) throw new Error(this.#cutOff());
    this.#left -= bytes.length;
    this.#delivered += bytes.length;
    if (this.#left === 0) {
      if (this.#framing.kind === "length") this.#isComplete = true;
      else if (await this.#readLine() !== "") throw new Error("a chunk of the answer has no end");
    }
    return bytes;
  }

  async #nextUntilClose(): Promise<Uint8Array | undefined> {
    const bytes = await this.#take(Infinity);
    if (bytes) this.#delivered += bytes.length;
    else this.#isComplete = true;
    return bytes;
  }

  #cutOff(): string {
    if (this.#framing.kind === "chunked") return `the answer was cut off`;
    const announced = this.#delivered + this.#left;
    return `the answer ended after ${this.#delivered} of ${announced} bytes`;
  }

  /** Reads the size of the next chunk; after the last, the trailers. */
  async #beginChunk(): Promise<void> {
    const line = await this.#readLine();
    const size = /^([0-9a-f]{1,12})[ \t]*(;.*)?$/i.exec(line)?.[1];
    if (size === undefined) throw new Error("a chunk of the answer has no size");
    this.#left = parseInt(size, 16);
    if (this.#left > 0) return;
    for (let bytes = 0; bytes < MAX_HEAD_BYTES;) {
      const trailer = await this.#readLine();
      if (trailer === "") {
        this.#isComplete = true;
        return;
      }
      bytes += trailer.length;
    }
    throw new Error("the answer's trailers are too long");
  }

  /** Returns at least one byte and at most `limit`; `undefined` at the connection's end. */
  async #take(limit: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const bytes = await this.#source();
      if (!bytes) return undefined;
      this.#rest = bytes;
    }
    const taken = this.#rest.length <= limit ? this.#rest : this.#rest.subarray(0, limit);
    this.#rest = taken === this.#rest ? new Uint8Array() : this.#rest.subarray(limit);
    return taken;
  }

  async #readLine(): Promise<string> {
    return decode(await this.#readUntil("\r\n", "the answer was cut off"));
  }

  async #readHead(): Promise<string> {
    return decode(
      await this.#readUntil("\r\n\r\n", "the connection was closed without an answer"),
    );
  }

  /** Returns the bytes before `mark`, and skips the mark. */
  async #readUntil(mark: string, ended: string): Promise<Uint8Array> {
    for (let searched = 0;;) {
      const at = indexOf(this.#rest, mark, Math.max(0, searched - mark.length + 1));
      if (at >= 0 && at <= MAX_HEAD_BYTES) {
        const found = this.#rest.subarray(0, at);
        this.#rest = this.#rest.subarray(at + mark.length);
        return found;
      }
      searched = this.#rest.length;
      if (searched > MAX_HEAD_BYTES) throw new Error("the answer's head is too long");
      const more = await this.#source();
      if (!more) throw new Error(searched > 0 ? "the answer was cut off" : ended);
      this.#rest = searched > 0 ? join(this.#rest, more) : more;
    }
  }
}

function parseHead(text: string): { head: AnswerHead; version: string } {
  const [first = "", ...lines] = text.split("\r\n");
  const [, version, status] = /^HTTP\/(1\.[01]) (\d{3})(?: .*)?$/.exec(first) ?? [];
  if (!version || !status || Number(status) < 100) throw notHttp();
  const headers: Record<string, string> = Object.create(null);
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined || /[\r\n\0]/.test(value)) throw notHttp();
    const key = name.toLowerCase();
    headers[key] = headers[key] === undefined ? value : `${headers[key]}, ${value}`;
  }
  return { head: { status: Number(status), headers }, version };
}

function framingOf({ status, headers }: AnswerHead, headOnly: boolean): Framing {
  if (headOnly || status === 204 || status === 304) return { kind: "length", left: 0 };
  const coding = headers["transfer-encoding"];
  const length = headers["content-length"];
  if (coding !== undefined) {
    // A server that sends both, or another hop, may mean the other one (RFC 9112, section 6.1).
    if (coding.toLowerCase() !== "chunked" || length !== undefined) throw notHttp();
    return { kind: "chunked" };
  }
  if (length === undefined) return { kind: "close" };
  const lengths = new Set(length.split(/[ \t]*,[ \t]*/));
  if (lengths.size !== 1 || !/^\d{1,15}$/.test([...lengths][0]!)) throw notHttp();
  return { kind: "length", left: Number([...lengths][0]) };
}

function keepMsOf({ headers }: AnswerHead, version: string): number | undefined {
  const options = (headers.connection ?? "").toLowerCase().split(/[ \t]*,[ \t]*/);
  if (version !== "1.1" || options.includes("close")) return undefined;
  const seconds = /(?:^|[,; \t])timeout=(\d{1,6})/i.exec(headers["keep-alive"] ?? "")?.[1];
  return seconds === undefined ? Infinity : Number(seconds) * 1000;
}

function notHttp(): Error {
  return new Error("the server's answer is not HTTP/1.1");
}

/** Decodes bytes as Latin-1, the encoding of headers. */
function decode(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function indexOf(bytes: Uint8Array, mark: string, from: number): number {
  for (let at = from; at + mark.length <= bytes.length; at++) {
    let matched = 0;
    while (matched < mark.length && bytes[at + matched] === mark.charCodeAt(matched)) matched++;
    if (matched === mark.length) return at;
  }
  return -1;
}

function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
