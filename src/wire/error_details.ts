/** The details of a failed call's status, which gRPC carries in a trailer of its own. */

import { Buffer } from "node:buffer";
import { create, type DescMessage, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack, durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import type { Metadata } from "@grpc/grpc-js";
import { encode } from "./codec.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "./gen/google/rpc/error_details_pb.ts";
import { type Status, StatusSchema } from "./gen/google/rpc/status_pb.ts";

/** The trailer of a `google.rpc.Status`. */
export const DETAILS_KEY = "grpc-status-details-bin";

/** The domain of our reasons in a `google.rpc.ErrorInfo`. */
export const ERROR_DOMAIN = "wsdaemon";

/** What a program is told of a failure besides its code and message. */
export interface ErrorDetails {
  /** A constant of the list in `docs/api.md`. */
  reason: string;
  /** The reason of the failure that led to this one, where that is another. */
  cause?: string;
  violations: readonly { field: string; description: string }[];
  resource?: { type: string; name: string };
  /** Milliseconds after which the same call may be sent again; absent where that is no use. */
  retryAfter?: number;
}

/**
 * Returns a `google.rpc.Status` of at most `maxBytes`: what does not fit is left out, its message (which
 * grpc-message has) first, then the words about fields, then fields and resource.
 */
export function encodeDetails(
  code: number,
  message: string,
  details: ErrorDetails,
  maxBytes: number,
): Buffer {
  const { violations } = details;
  const unexplained = violations.map(({ field }) => ({ field, description: "" }));
  const { resource: _, ...bare } = details;
  const whole = packed(code, message, details);
  if (whole.length <= maxBytes) return whole;
  const space = maxBytes - packed(code, "", details).length - MESSAGE_OVERHEAD;
  if (space > 0) return packed(code, cut(message, space), details);
  for (const less of [details, { ...details, violations: unexplained }]) {
    const bytes = packed(code, "", less);
    if (bytes.length <= maxBytes) return bytes;
  }
  return packed(code, "", { ...bare, violations: [] });
}

/** Bytes of the tag and the length of a status' message. */
const MESSAGE_OVERHEAD = 4;

/** Returns what fits of a text, without half a character. */
function cut(text: string, maxBytes: number): string {
  const bytes = new TextEncoder().encode(text.toWellFormed());
  return new TextDecoder().decode(bytes.subarray(0, maxBytes), { stream: true });
}

function packed(code: number, message: string, details: ErrorDetails): Buffer {
  const { reason, cause, violations, resource, retryAfter } = details;
  const parts: Any[] = [any(ErrorInfoSchema, {
    reason,
    domain: ERROR_DOMAIN,
    metadata: cause === undefined ? {} : { cause },
  })];
  if (violations.length > 0) {
    const fieldViolations = violations.map(({ field, description }) => ({
      field: field.toWellFormed(),
      description: description.toWellFormed(),
    }));
    parts.push(any(BadRequestSchema, { fieldViolations }));
  }
  if (resource) {
    const { type: resourceType, name } = resource;
    parts.push(any(ResourceInfoSchema, { resourceType, resourceName: name.toWellFormed() }));
  }
  if (retryAfter !== undefined) {
    parts.push(any(RetryInfoSchema, { retryDelay: durationFromMs(retryAfter) }));
  }
  const text = message.toWellFormed();
  return encode(StatusSchema, create(StatusSchema, { code, message: text, details: parts }));
}

function any<D extends DescMessage>(schema: D, init: MessageInitShape<D>): Any {
  return anyPack(schema, create(schema, init));
}

/** Returns the details in a call's trailers; `undefined` where there are none that can be read. */
export function detailsIn(metadata: Metadata): ErrorDetails | undefined {
  const [bytes] = metadata.get(DETAILS_KEY);
  if (!(bytes instanceof Uint8Array)) return undefined;
  try {
    return unpacked(fromBinary(StatusSchema, bytes));
  } catch {
    // Somebody between us and the daemon may have put anything there: the code and the message stay.
    return undefined;
  }
}

function unpacked({ details }: Status): ErrorDetails | undefined {
  const find = <D extends DescMessage>(schema: D) => {
    for (const part of details) {
      const found = anyUnpack(part, schema);
      if (found) return found;
    }
    return undefined;
  };
  const info = find(ErrorInfoSchema);
  if (info?.domain !== ERROR_DOMAIN) return undefined;
  const resource = find(ResourceInfoSchema);
  const delay = find(RetryInfoSchema)?.retryDelay;
  const cause = info.metadata.cause;
  return {
    reason: info.reason,
    ...(cause === undefined ? {} : { cause }),
    violations: (find(BadRequestSchema)?.fieldViolations ?? []).map(({ field, description }) => ({
      field,
      description,
    })),
    ...(resource ? { resource: { type: resource.resourceType, name: resource.resourceName } } : {}),
    ...(delay ? { retryAfter: durationMs(delay) } : {}),
  };
}
