import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { AnswerReader, encodeHead } from "../../src/store/s3/http/message.ts";

/** An answer that arrives in pieces of `size` bytes, after which the connection ends. */
function reader(text: string, size: number, headOnly = false): AnswerReader {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  const source = () => {
    if (at >= bytes.length) return Promise.resolve(undefined);
    return Promise.resolve(bytes.subarray(at, at += size));
  };
  return new AnswerReader(source, { headOnly });
}

async function read(text: string, size: number, headOnly?: boolean) {
  const answer = reader(text, size, headOnly);
  const { status, headers } = await answer.head();
  let body = "";
  for (let bytes = await answer.next(); bytes; bytes = await answer.next()) {
    body += new TextDecoder().decode(bytes);
  }
  return { status, headers: { ...headers }, body, keepMs: answer.keepMs };
}

const OK = "HTTP/1.1 200 OK\r\n";

/** The answer as it comes, its body, and how long its connection is kept. */
const WHOLE: [name: string, text: string, body: string, keepMs: number | undefined][] = [
  ["a length", `${OK}Content-Length: 5\r\n\r\nhello`, "hello", Infinity],
  ["no body", `${OK}Content-Length: 0\r\n\r\n`, "", Infinity],
  [
    "chunks",
    `${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n`,
    "hello",
    Infinity,
  ],
  [
    "trailers",
    `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n`,
    "hello",
    Infinity,
  ],
  ["the connection's end", `${OK}\r\nhello`, "hello", undefined],
  ["204", "HTTP/1.1 204 No Content\r\n\r\n", "", Infinity],
  [
    "an interim answer",
    `HTTP/1.1 100 Continue\r\n\r\n${OK}Content-Length: 5\r\n\r\nhello`,
    "hello",
    Infinity,
  ],
  [
    "a limit on idleness",
    `${OK}Keep-Alive: timeout=5, max=9\r\nContent-Length: 0\r\n\r\n`,
    "",
    5000,
  ],
  [
    "the will to close",
    `${OK}Connection: close\r\nContent-Length: 5\r\n\r\nhello`,
    "hello",
    undefined,
  ],
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", undefined],
  ["more than it announced", `${OK}Content-Length: 5\r\n\r\nhello!`, "hello", undefined],
];

for (const [name, text, body, keepMs] of WHOLE) {
  Deno.test(`an answer with ${name} is read whole in pieces of any size`, async () => {
    for (let size = 1; size <= text.length; size++) {
      const answer = await read(text, size);
      assertEquals(answer.body, body, `${size}`);
      // What follows an answer is seen only where it has arrived.
      if (name !== "more than it announced" || size === text.length) {
        assertEquals(answer.keepMs, keepMs, `${size}`);
      }
    }
  });
}

Deno.test("the answer to a HEAD has no body, whatever it announces", async () => {
  const answer = await read(`${OK}Content-Length: 5\r\nETag: "x"\r\n\r\n`, 7, true);
  assertEquals(answer, {
    status: 200,
    headers: { "content-length": "5", etag: '"x"' },
    body: "",
    keepMs: Infinity,
  });
});

const BROKEN: [name: string, text: string, message: string][] = [
  ["nothing", "", "without an answer"],
  ["half a head", "HTTP/1.1 200 OK\r\nContent-Le", "cut off"],
  ["half a body", `${OK}Content-Length: 5\r\n\r\nhel`, "ended after 3 of 5 bytes"],
  ["half a chunk", `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhel`, "cut off"],
  ["no last chunk", `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`, "cut off"],
  ["a chunk that is no chunk", `${OK}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, "no size"],
  ["another protocol", "SSH-2.0-OpenSSH_9.6\r\n\r\n", "not HTTP"],
  ["two lengths", `${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`, "not HTTP"],
  ["a negative length", `${OK}Content-Length: -5\r\n\r\nhello`, "not HTTP"],
  [
    "a length and chunks",
    `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    "not HTTP",
  ],
  ["a folded header", `${OK}A: b\r\n c\r\n\r\n`, "not HTTP"],
  ["a head without end", `${OK}${"A: b\r\n".repeat(12_000)}`, "too long"],
  ["interim answers only", "HTTP/1.1 102 Processing\r\n\r\n".repeat(20), "interim"],
];

for (const [name, text, message] of BROKEN) {
  Deno.test(`an answer of ${name} is an error`, async () => {
    const sizes = text.length > 1000 ? [1000] : [1, 3, Math.max(text.length, 1)];
    for (const size of sizes) await assertRejects(() => read(text, size), Error, message);
  });
}

Deno.test("a request that would be two is not sent", () => {
  const head = { method: "GET", target: "/", headers: {} };
  assertEquals(
    new TextDecoder().decode(encodeHead({ ...head, headers: { host: "h" } })),
    "GET / HTTP/1.1\r\nhost: h\r\n\r\n",
  );
  const bad = [
    { ...head, method: "GET /x HTTP/1.1\r\nA: b\r\n\r\nGET" },
    { ...head, target: "/a b" },
    { ...head, target: "/\r\nA: b" },
    { ...head, headers: { "a\r\nb": "c" } },
    { ...head, headers: { a: "b\r\nc: d" } },
  ];
  for (const one of bad) assertThrows(() => encodeHead(one), TypeError);
});
