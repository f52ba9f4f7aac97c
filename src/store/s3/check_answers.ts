/**
 * Refuses answers that no S3 server gives. Captive portals, proxies and gateways answer in a server's
 * place, often with 200 and a page of their own; such an answer must count neither as success nor as
 * "it is not there".
 *
 * An answer is accepted if it has what every S3 server sends:
 * - PutObject and UploadPart: an ETag, and no body. Its content type is ignored: Google sends
 *   `text/html` with empty bodies.
 * - HeadObject and GetObject: an ETag or a time of modification, a length, and a content type other
 *   than that of a web page, as this daemon stores everything as binary.
 * - DeleteObject and AbortMultipartUpload: 204.
 * - Listings, copies, the start and the end of an upload: a complete XML document with the right root.
 * - Refusals with a body: an XML document of an `Error` that has a `Code`.
 */

import type { S3Client } from "@aws-sdk/client-s3";
import { readBody } from "./body.ts";
import { ForeignAnswerError } from "./s3_errors.ts";
import { oneLine } from "./messages.ts";

/** An answer in XML: its root element, and another that it must have. */
interface Document {
  root: string;
  element?: string;
}

/** The XML answers, by the SDK's command that asks for them. */
const DOCUMENTS: Record<string, Document> = {
  CompleteMultipartUploadCommand: { root: "CompleteMultipartUploadResult" },
  CopyObjectCommand: { root: "CopyObjectResult" },
  CreateMultipartUploadCommand: { root: "InitiateMultipartUploadResult", element: "UploadId" },
  ListMultipartUploadsCommand: { root: "ListMultipartUploadsResult" },
  // Without this element, a damaged answer could pass for an empty listing.
  ListObjectsV2Command: { root: "ListBucketResult", element: "IsTruncated" },
};

/** Bytes that are read of an XML answer; a page of a listing has a few megabytes at most. */
const MAX_XML_BYTES = 16 << 20;
/** Bytes that are read of a refusal, and of an answer that should have no body. */
const MAX_ERROR_BYTES = 64 << 10;
/** Characters of a foreign answer that an error shows. */
const SHOWN = 80;

/** An answer in the SDK's shape. */
interface Answer {
  statusCode: number;
  headers: Record<string, string | undefined>;
  body?: AsyncIterable<Uint8Array> | Uint8Array | undefined;
}

/**
 * Adds middleware to a client that checks every answer before the SDK parses it, that adds the kind of
 * request to every error, and that keeps caches from answering reads.
 */
export function checkAnswers(client: S3Client): void {
  const stack = client.middlewareStack;
  stack.add((next, context) => async (args) => {
    try {
      return await next(args);
    } catch (error) {
      if (error instanceof Error && !("operation" in error)) {
        Object.defineProperty(error, "operation", { value: operationOf(context.commandName) });
      }
      throw error;
    }
  }, { step: "initialize", name: "noteOperation", priority: "high" });
  stack.add((next) => async (args) => {
    const request = args.request as { method: string; headers: Record<string, string> };
    if (request.method === "GET" || request.method === "HEAD") {
      request.headers["cache-control"] = "no-cache";
    }
    return await next(args);
  }, { step: "build", name: "askUncached" });
  stack.add((next, context) => async (args) => {
    const result = await next(args);
    const answer = result.response as Answer;
    await checkAnswer(context.commandName ?? "", answer);
    return result;
  }, { step: "deserialize", name: "checkAnswer", priority: "low" });
}

function operationOf(command: string | undefined): string {
  return (command ?? "the request").replace(/Command$/, "");
}

/**
 * Checks an answer. A body that has to be read for that is replaced by its bytes.
 * @throws {ForeignAnswerError} where no S3 server answers so
 */
async function checkAnswer(command: string, answer: Answer): Promise<void> {
  const { statusCode: status } = answer;
  if (command === "HeadObjectCommand") {
    const isSized = header(answer, "content-length") !== undefined;
    if (status < 300 && !(isSized && isObject(answer))) throw foreign(command, answer);
    return;
  }
  if (status >= 300) return await checkRefusal(command, answer);
  const document = DOCUMENTS[command];
  if (document) return await checkXml(command, document, answer);
  if (command === "GetObjectCommand" && !isObject(answer)) {
    throw foreign(command, answer, await readBody(answer.body, SHOWN));
  }
  if (command === "PutObjectCommand" || command === "UploadPartCommand") {
    await checkEmpty(command, answer, header(answer, "etag") !== undefined);
  }
  if (command === "DeleteObjectCommand" || command === "AbortMultipartUploadCommand") {
    await checkEmpty(command, answer, status === 204 || isSigned(answer));
  }
}

async function checkRefusal(command: string, answer: Answer): Promise<void> {
  const body = answer.body = await readBody(answer.body, MAX_ERROR_BYTES);
  const text = new TextDecoder().decode(body);
  const root = rootOf(text);
  const isError = (root === "Error" || root === "ErrorResponse") &&
    /<Code>[^<]+<\/Code>/.test(text);
  // Some servers send no body where they do not support a kind of request, or a condition.
  const isBare = body.length === 0 && [405, 412, 501].includes(answer.statusCode);
  if (!isError && !isBare) throw foreign(command, answer, body);
}

async function checkXml(command: string, expected: Document, answer: Answer): Promise<void> {
  const body = answer.body = await readBody(answer.body, MAX_XML_BYTES);
  const text = new TextDecoder().decode(body);
  const root = rootOf(text);
  // The server failed after it had sent the status; with this one, the SDK parses the answer as an
  // error. By itself it does so only where nothing follows the closing tag, not even a newline.
  if (root === "Error") answer.statusCode = 500;
  else if (root !== expected.root || !hasElement(text, expected.element)) {
    throw foreign(command, answer, body);
  }
}

function hasElement(text: string, name: string | undefined): boolean {
  return name === undefined || new RegExp(`<(?:[\\w.-]+:)?${name}>[^<]`).test(text);
}

async function checkEmpty(command: string, answer: Answer, isMarked: boolean): Promise<void> {
  const body = answer.body = await readBody(answer.body, MAX_ERROR_BYTES);
  const text = new TextDecoder().decode(body).trim();
  if (!isMarked || (text !== "" && !text.startsWith("<?xml"))) throw foreign(command, answer, body);
}

/** Returns whether an answer can be a stored object. */
function isObject(answer: Answer): boolean {
  const isStored = header(answer, "etag") ?? header(answer, "last-modified");
  return isStored !== undefined && (!isPage(answer) || isSigned(answer));
}

function isPage(answer: Answer): boolean {
  return /^text\/html\b/i.test(header(answer, "content-type") ?? "");
}

/** Returns whether an answer has a header that only S3 servers send. */
export function isSigned({ headers }: { headers: Record<string, string | undefined> }): boolean {
  return Object.keys(headers).some((name) =>
    /^(x-amz-(request-id|id-2)|x-guploader-uploadid)$/i.test(name)
  );
}

/** Returns the name of an XML document's root element without its prefix; `undefined` if it is cut off. */
function rootOf(text: string): string | undefined {
  const document = text.trim().replace(/^\uFEFF/, "").replace(/^<\?xml[^>]*\?>\s*/, "");
  const [, name] = /^<((?:[\w.-]+:)?[\w.-]+)[\s/>]/.exec(document) ?? [];
  if (name === undefined) return undefined;
  const isWhole = document.endsWith(`</${name}>`) || /^<[^<>]*\/>$/.test(document);
  return isWhole ? name.slice(name.indexOf(":") + 1) : undefined;
}

function foreign(
  command: string,
  answer: Answer,
  body: Uint8Array = new Uint8Array(),
): ForeignAnswerError {
  const { statusCode: status } = answer;
  const parts = [`${operationOf(command)} was answered with ${status}`];
  const type = header(answer, "content-type");
  if (type) parts.push(oneLine(type, SHOWN));
  const location = header(answer, "location");
  if (location) parts.push(`a redirect to ${originOf(location)}`);
  const text = oneLine(
    new TextDecoder().decode(body.subarray(0, 4096)).replace(/<[^>]*>/g, " "),
    SHOWN,
  );
  parts.push(body.length === 0 ? "no body" : `beginning "${text}"`);
  return new ForeignAnswerError(`${parts.join(", ")}, which no S3 server answers`, {
    status,
    retryAfter: header(answer, "retry-after"),
  });
}

/** Returns a URL without path and query, which may hold a session. */
function originOf(location: string): string {
  try {
    return new URL(location).origin;
  } catch {
    return "another place";
  }
}

function header({ headers }: Answer, name: string): string | undefined {
  return headers[name] ?? Object.entries(headers).find(([one]) => one.toLowerCase() === name)?.[1];
}
