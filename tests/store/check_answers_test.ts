import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Readable } from "node:stream";
import { checkAnswers } from "../../src/store/s3/check_answers.ts";
import { failureOf, ForeignAnswerError } from "../../src/store/s3/s3_errors.ts";

/** An answer of the server, or of something in its place. */
interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

const WHERE = { Bucket: "b", Key: "k" };
type Request = (client: S3Client) => Promise<unknown>;

const REQUESTS = {
  abort: (client) => client.send(new AbortMultipartUploadCommand({ ...WHERE, UploadId: "u" })),
  copy: (client) => client.send(new CopyObjectCommand({ ...WHERE, CopySource: "b/k" })),
  create: (client) => client.send(new CreateMultipartUploadCommand(WHERE)),
  delete: (client) => client.send(new DeleteObjectCommand(WHERE)),
  get: (client) => client.send(new GetObjectCommand(WHERE)),
  head: (client) => client.send(new HeadObjectCommand(WHERE)),
  list: (client) => client.send(new ListObjectsV2Command({ Bucket: "b" })),
  put: (client) => client.send(new PutObjectCommand({ ...WHERE, Body: "x" })),
} satisfies Record<string, Request>;

/** Sends a request with the SDK's own client, to which `answer` comes back. */
async function send(request: Request, answer: Answer, headers: Record<string, string>[] = []) {
  const { status, headers: answered = {}, body } = answer;
  using client = disposable(
    new S3Client({
      region: "us-east-1",
      endpoint: "http://127.0.0.1",
      credentials: { accessKeyId: "a", secretAccessKey: "s" },
      maxAttempts: 1,
      requestHandler: {
        handle(request: { headers: Record<string, string> }) {
          headers.push(request.headers);
          const stream = body === undefined ? undefined : Readable.from([Buffer.from(body)]);
          return Promise.resolve({
            response: { statusCode: status, headers: answered, body: stream },
          });
        },
      },
    }),
  );
  checkAnswers(client.client);
  return await request(client.client);
}

function disposable(client: S3Client) {
  return { client, [Symbol.dispose]: () => client.destroy() };
}

const XML = '<?xml version="1.0" encoding="UTF-8"?>\n';
const LISTING = `${XML}<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>`;
const NO_SUCH_KEY = `${XML}<Error><Code>NoSuchKey</Code><Message>no</Message></Error>`;
const PAGE = "<html><body>Please log in</body></html>";
const SIGNED = { "x-amz-request-id": "1" };
const HTML = { "content-type": "text/html" };
const STORED = { etag: '"e"', "content-length": "1" };

Deno.test("what S3 servers answer is accepted", async () => {
  const accepted: [keyof typeof REQUESTS, Answer][] = [
    ["head", { status: 200, headers: STORED }],
    ["head", {
      status: 200,
      headers: { "last-modified": "Wed, 21 Oct 2026 07:28:00 GMT", "Content-Length": "0" },
    }],
    ["get", { status: 200, headers: STORED, body: "x" }],
    // A bucket may hold pages, and a server then marks its answer as its own.
    ["get", { status: 200, headers: { ...STORED, ...HTML, ...SIGNED }, body: PAGE }],
    ["put", { status: 200, headers: { ETag: '"e"' }, body: "" }],
    ["put", { status: 200, headers: { etag: '"e"', ...HTML }, body: "" }],
    ["delete", { status: 204 }],
    ["delete", { status: 200, headers: SIGNED, body: "" }],
    ["abort", { status: 204 }],
    ["list", { status: 200, body: LISTING }],
    ["copy", {
      status: 200,
      body: `${XML}<s:CopyObjectResult xmlns:s="u"><s:ETag>e</s:ETag></s:CopyObjectResult>`,
    }],
    ["create", {
      status: 200,
      body: "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
    }],
  ];
  for (const [command, answer] of accepted) await send(REQUESTS[command], answer);
});

Deno.test("what no S3 server answers counts neither as success nor as a missing object", async () => {
  const foreign: [keyof typeof REQUESTS, Answer][] = [
    ["head", { status: 200, headers: HTML }],
    ["head", { status: 200, headers: { etag: '"e"' } }],
    ["head", { status: 200, headers: { ...STORED, ...HTML } }],
    ["get", { status: 200, headers: HTML, body: PAGE }],
    ["get", { status: 200, headers: { ...STORED, ...HTML }, body: PAGE }],
    ["get", { status: 200, body: "x" }],
    ["get", { status: 404, headers: HTML, body: PAGE }],
    ["get", { status: 404, body: "" }],
    ["get", { status: 403, body: "<Error><Message>no code</Message></Error>" }],
    ["get", { status: 404, body: NO_SUCH_KEY.slice(0, -3) }],
    ["get", { status: 302, headers: { location: "http://portal.test/login?session=s3cr3t" } }],
    ["put", { status: 200, headers: HTML, body: PAGE }],
    ["put", { status: 200, headers: { etag: '"e"' }, body: PAGE }],
    ["put", { status: 200 }],
    ["delete", { status: 200, body: "" }],
    ["delete", { status: 200, headers: HTML, body: PAGE }],
    ["abort", { status: 200 }],
    ["list", { status: 200, headers: HTML, body: PAGE }],
    ["list", { status: 200, body: "" }],
    ["list", { status: 200, body: LISTING.slice(0, -5) }],
    ["list", { status: 200, body: "<ListBucketResult></ListBucketResult>" }],
    ["create", { status: 200, body: "<InitiateMultipartUploadResult/>" }],
    ["copy", { status: 200, body: LISTING }],
  ];
  for (const [command, answer] of foreign) {
    const name = `${command}: ${JSON.stringify(answer)}`;
    const error = await assertRejects(
      () => send(REQUESTS[command], answer),
      ForeignAnswerError,
      undefined,
      name,
    );
    assertEquals(error.message.includes("s3cr3t"), false, name);
  }
});

Deno.test("a refusal by the store keeps its code and names the kind of request", async () => {
  const refused = await assertRejects(
    () => send(REQUESTS.get, { status: 404, body: NO_SUCH_KEY }),
    Error,
  );
  assertEquals(failureOf(refused).kind, "missing");
  assertEquals((refused as Error & { operation?: string }).operation, "GetObject");
  const bare = await assertRejects(() => send(REQUESTS.put, { status: 501, body: "" }), Error);
  assertEquals(failureOf(bare).kind, "unsupported");
});

Deno.test("an error in an answer of status 200 is an error of the server", async () => {
  const error = `${XML}<Error><Code>InternalError</Code></Error>`;
  // The SDK looks for the error itself, but only where it is the very end of the answer.
  for (const body of [error, `${error}\n`]) {
    for (const request of [REQUESTS.copy, REQUESTS.create, REQUESTS.list]) {
      const rejection = await assertRejects(() => send(request, { status: 200, body }), Error);
      assertEquals(failureOf(rejection), { kind: "server", retryable: true });
    }
  }
});

Deno.test("a foreign answer is described by status, type, redirect and the start of its text", async () => {
  const headers = { ...HTML, location: "http://portal.test/login?session=s3cr3t" };
  const error = await assertRejects(
    () => send(REQUESTS.list, { status: 302, headers, body: PAGE }),
    ForeignAnswerError,
  );
  for (const part of ["ListObjectsV2", "302", "text/html", "http://portal.test", "Please log in"]) {
    assertStringIncludes(error.message, part);
  }
});

Deno.test("reads ask caches on the way to stand aside, writes do not", async () => {
  const headers: Record<string, string>[] = [];
  await send(REQUESTS.get, { status: 200, headers: STORED, body: "x" }, headers);
  await send(REQUESTS.put, { status: 200, headers: { etag: '"e"' }, body: "" }, headers);
  assertEquals(headers.map((one) => one["cache-control"]), ["no-cache", undefined]);
});
