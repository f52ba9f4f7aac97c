/**
 * A proxy in front of an S3 server that does to chosen requests what networks and servers do. Every
 * planned fault must fire: {@link FaultProxy.assertAllFired}.
 */

import {
  concat,
  encodeMessage,
  header,
  type HttpMessage,
  readMessage,
  writeAll,
} from "./http_message.ts";

/** What S3 servers put on each of their answers. */
const SIGN: [name: string, value: string] = ["x-amz-request-id", "0000000000000001"];

/** What befalls a request. */
export type Fault =
  /** The server is not asked; an S3 error with this status and code is the answer. */
  | { kind: "answer"; status: number; code: string; headers?: Record<string, string> }
  /** The server is not asked; 200 with an S3 error in the body is the answer. */
  | { kind: "error-in-200"; code: string; end?: string }
  /** The server is not asked; this XML is the answer. */
  | { kind: "page"; body: string }
  /** The server is not asked; somebody who is no S3 server answers this. */
  | { kind: "foreign"; status: number; body: string; headers?: Record<string, string> }
  /** The server is not asked; the connection is closed. */
  | { kind: "reset-before" }
  /** The server does what was asked; the connection is closed without an answer. */
  | { kind: "lose-answer" }
  /** The answer ends in the middle of its body, its length being that of the whole. */
  | { kind: "cut-answer" }
  /** The answer's body is cut and its length is honest about it. */
  | { kind: "cut-honestly" }
  /** One byte of the answer's body is changed. */
  | { kind: "corrupt-answer" }
  /** One byte of the request's body is changed on its way to the server. */
  | { kind: "corrupt-request" }
  /** Half of the request's body comes to the server, its length being honest about it. */
  | { kind: "cut-request" }
  /** The server gets another body; this S3 error, or else the end of the connection, is the answer. */
  | {
    kind: "alter-request";
    alter(body: Uint8Array): Uint8Array;
    answer?: { status: number; code: string };
  }
  /** The connection stands still after the request, or in the middle of the answer's body. */
  | { kind: "stall" }
  | { kind: "stall-midway" }
  /** The server is asked once that resolves. */
  | { kind: "hold"; until: Promise<void> }
  /** The listing leaves out what was stored last: keys that match. */
  | { kind: "lag"; hide: RegExp };

export interface PlannedFault {
  fault: Fault;
  /** Requests it may befall, by `METHOD path?query`. */
  on: RegExp;
  /** How many of them; 1 unless given. */
  times?: number;
  /** How many of them it lets pass first. */
  skip?: number;
  /** Count by request instead: each that matches meets it when it comes first, and as often again. */
  each?: boolean;
}

export interface ProxiedRequest {
  /** `METHOD path?query`. */
  line: string;
  fault?: Fault["kind"];
  /** By their names in lower case. */
  headers: Record<string, string>;
}

interface Pending {
  plan: PlannedFault;
  toSkip: number;
  left: number;
  /** Where requests count by themselves: how many are left of each. */
  leftOf: Map<string, number>;
}

export class FaultProxy {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #upstream: { hostname: string; port: number };
  readonly #connections = new Set<Deno.Conn>();
  #pending: Pending[] = [];
  #log: ProxiedRequest[] = [];
  #watchers: (() => void)[] = [];

  constructor(upstream: { hostname: string; port: number }) {
    this.#upstream = upstream;
    this.#accept();
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
  }

  /** Requests since the last {@link plan}. */
  get requests(): readonly ProxiedRequest[] {
    return this.#log;
  }

  /** Forgets what was planned before. */
  plan(...faults: PlannedFault[]): void {
    this.#log = [];
    this.#pending = faults.map((plan) => ({
      plan,
      toSkip: plan.skip ?? 0,
      left: plan.times ?? 1,
      leftOf: new Map(),
    }));
  }

  /** Resolves once a fault of this kind has befallen a request. */
  async fired(kind: Fault["kind"]): Promise<void> {
    await this.#logged(({ fault }) => fault === kind);
  }

  /** Resolves once that many such requests have come since the last {@link plan}. */
  async seen(request: RegExp, times = 1): Promise<void> {
    await this.#logged(({ line }) => request.test(line), times);
  }

  async #logged(isMeant: (request: ProxiedRequest) => boolean, times = 1): Promise<void> {
    while (this.#log.filter(isMeant).length < times) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#watchers.push(resolve);
      await promise;
    }
  }

  /** @throws where a planned fault did not happen as often as planned. */
  assertAllFired(): void {
    const isOpen = ({ plan, left }: Pending) => plan.each === true || left === Infinity;
    const idle = this.#pending.filter((one) => one.left > 0 && !isOpen(one));
    const never = this.#pending.filter((one) =>
      isOpen(one) && !this.#log.some(({ fault }) => fault === one.plan.fault.kind)
    );
    const names = [...idle, ...never].map(({ plan }) => `${plan.fault.kind} on ${plan.on}`);
    if (names.length > 0) {
      const seen = this.#log.map(({ line }) => line).join("\n  ");
      throw new Error(`Planned faults that never fired: ${names.join(", ")}; seen:\n  ${seen}`);
    }
  }

  async close(): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) closeQuietly(connection);
    await Promise.resolve();
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      this.#connections.add(connection);
      this.#serve(connection).catch(() => {}).finally(() => {
        this.#connections.delete(connection);
        closeQuietly(connection);
      });
    }
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    const request = await readMessage(connection);
    if (!request) return;
    const line = request.first.replace(/ HTTP\/1\.1$/, "");
    const headers = Object.fromEntries(
      request.headers.map(([name, value]) => [name.toLowerCase(), value]),
    );
    const fault = this.#draw(line, `${line} ${headers.range ?? ""}`);
    this.#log.push({ line, headers, ...(fault ? { fault: fault.kind } : {}) });
    for (const wake of this.#watchers.splice(0)) wake();
    if (!fault) return await this.#pass(connection, request);
    await this.#inflict(connection, request, fault);
  }

  #draw(line: string, request: string): Fault | undefined {
    const leftOf = ({ plan, left, leftOf }: Pending) =>
      plan.each ? leftOf.get(request) ?? left : left;
    const found = this.#pending.find((one) => leftOf(one) > 0 && one.plan.on.test(line));
    if (!found) return undefined;
    if (found.toSkip-- > 0) return undefined;
    if (found.plan.each) found.leftOf.set(request, leftOf(found) - 1);
    else found.left--;
    return found.plan.fault;
  }

  async #inflict(connection: Deno.Conn, request: HttpMessage, fault: Fault): Promise<void> {
    switch (fault.kind) {
      case "answer":
        return await writeAll(
          connection,
          encodeMessage(s3Answer(fault.status, fault.code, fault.headers)),
        );
      case "error-in-200":
        return await writeAll(connection, encodeMessage(s3Answer(200, fault.code, {}, fault.end)));
      case "page":
        return await writeAll(connection, encodeMessage(xmlAnswer(200, fault.body)));
      case "foreign": {
        const body = new TextEncoder().encode(fault.body);
        const headers = Object.entries(fault.headers ?? {});
        const page = { first: `HTTP/1.1 ${fault.status} Foreign`, headers, body };
        return await writeAll(connection, encodeMessage(...answer(request, page)));
      }
      case "reset-before":
        return;
      case "stall":
        return await untilClosed(connection);
      case "hold":
        await fault.until;
        return await this.#pass(connection, request);
      case "corrupt-request":
        return await this.#pass(connection, { ...request, body: flip(request.body) });
      case "cut-request": {
        const body = request.body.slice(0, request.body.length >> 1);
        return await this.#pass(connection, { ...request, body });
      }
      case "alter-request": {
        await this.#forward({ ...request, body: fault.alter(request.body) });
        if (!fault.answer) return;
        const { status, code } = fault.answer;
        return await writeAll(connection, encodeMessage(s3Answer(status, code)));
      }
    }
    const whole = await this.#forward(request);
    const half = { ...whole, body: whole.body.slice(0, whole.body.length >> 1) };
    switch (fault.kind) {
      case "lose-answer":
        return;
      case "cut-answer":
        return await writeAll(connection, encodeMessage(half, { length: whole.body.length }));
      case "stall-midway":
        await writeAll(connection, encodeMessage(half, { length: whole.body.length }));
        return await untilClosed(connection);
      case "cut-honestly":
        return await writeAll(connection, encodeMessage(half));
      case "corrupt-answer":
        return await writeAll(connection, encodeMessage({ ...whole, body: flip(whole.body) }));
      case "lag":
        return await writeAll(connection, encodeMessage(hideKeys(whole, fault.hide)));
    }
  }

  async #pass(connection: Deno.Conn, request: HttpMessage): Promise<void> {
    await writeAll(connection, encodeMessage(...answer(request, await this.#forward(request))));
  }

  async #forward(request: HttpMessage): Promise<HttpMessage> {
    using upstream = await Deno.connect(this.#upstream);
    await writeAll(upstream, encodeMessage(request));
    const headOnly = request.first.startsWith("HEAD ");
    const message = await readMessage(upstream, { headOnly });
    if (!message) throw new Error("the server closed the connection");
    // s3rver does not; every S3 server in use does.
    if (!header(message, SIGN[0])) message.headers.push(SIGN);
    return message;
  }
}

/** An answer as it is; that to a HEAD keeps the length of the body which it does not have. */
function answer(
  request: HttpMessage,
  message: HttpMessage,
): Parameters<typeof encodeMessage> {
  if (!request.first.startsWith("HEAD ")) return [message];
  const length = Number(header(message, "content-length") ?? message.body.length);
  return [{ ...message, body: new Uint8Array() }, { length }];
}

function s3Answer(
  status: number,
  code: string,
  headers: Record<string, string> = {},
  end = "",
): HttpMessage {
  const error = `<Error><Code>${code}</Code><Message>Planned ${code}</Message>` +
    `<RequestId>1</RequestId></Error>${end}`;
  return xmlAnswer(status, error, headers);
}

function xmlAnswer(
  status: number,
  text: string,
  headers: Record<string, string> = {},
): HttpMessage {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n${text}`;
  return {
    first: `HTTP/1.1 ${status} Planned`,
    headers: [["Content-Type", "application/xml"], SIGN, ...Object.entries(headers)],
    body: new TextEncoder().encode(body),
  };
}

function flip(body: Uint8Array): Uint8Array {
  const copy = concat([body]);
  const at = copy.length >> 1;
  if (at < copy.length) copy[at]! ^= 1;
  return copy;
}

function hideKeys(message: HttpMessage, hide: RegExp): HttpMessage {
  const text = new TextDecoder().decode(message.body);
  const kept = text.replace(
    /<Contents>.*?<\/Contents>/gs,
    (entry) => hide.test(/<Key>(.*?)<\/Key>/s.exec(entry)?.[1] ?? "") ? "" : entry,
  );
  return { ...message, body: new TextEncoder().encode(kept) };
}

async function untilClosed(connection: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(1024);
  while (await connection.read(buffer) !== null);
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}
