/** Adapts the unary methods of a protobuf-es service to grpc-js. */

import type { Buffer } from "node:buffer";
import { create, fromBinary } from "@bufbuild/protobuf";
import type {
  DescMessage,
  DescMethod,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { GenService, GenServiceMethods } from "@bufbuild/protobuf/codegenv2";
import {
  type handleUnaryCall,
  Metadata,
  type MethodDefinition,
  type ServerUnaryCall,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { DaemonError, messageOf } from "../errors.ts";
import { type Caller, withCaller } from "../operations/mod.ts";
import { addWarning, encode, methodPath } from "../wire/mod.ts";
import type { CallSpans } from "./call_spans.ts";
import type { Peers } from "./peers.ts";
import { checkShape } from "./request_limits.ts";
import { statusOf } from "./status.ts";

/** The context of a call, for its handler. */
export interface CallContext {
  /** Aborts with a DaemonError when the caller goes away or its deadline passes. */
  readonly signal: AbortSignal;
  /** Adds a warning to the answer's trailing metadata: what the caller should know though nothing failed. */
  readonly warn: (message: string) => void;
}

type Handler<M> = M extends
  { input: infer I extends DescMessage; output: infer O extends DescMessage } ? (
    request: MessageShape<I>,
    call: CallContext,
  ) => MessageInitShape<O> | Promise<MessageInitShape<O>>
  : never;

/** The handlers: one function for each method of the service. */
export type Handlers<S> = S extends GenService<infer M> ? { readonly [K in keyof M]: Handler<M[K]> }
  : never;

/** What is known of who makes a call. */
export interface CallerSources {
  peers: Peers;
  spans: CallSpans;
}

type AnyHandler = (request: unknown, call: CallContext) => unknown;

/** Returns the definition that grpc-js registers. Requests stay bytes, so that we report what cannot be decoded. */
export function serviceDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(service.methods.map((method) => [
    method.localName,
    {
      path: methodPath(method),
      requestStream: false,
      responseStream: false,
      requestSerialize: (bytes: Buffer) => bytes,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: (message) => encode(method.output, message),
      responseDeserialize: (bytes) => fromBinary(method.output, bytes),
    } satisfies MethodDefinition<Buffer, MessageShape<DescMessage>>,
  ]));
}

/** Returns the handlers as grpc-js calls them: each decodes, calls, and encodes or maps the error. */
export function serviceImplementation<M extends GenServiceMethods>(
  service: GenService<M>,
  handlers: Handlers<GenService<M>>,
  context: CallerSources,
): UntypedServiceImplementation {
  const byName = handlers as Readonly<Record<string, AnyHandler>>;
  return Object.fromEntries(service.methods.map((method) => {
    if (method.methodKind !== "unary") throw new TypeError(`${method.name} is not unary`);
    return [method.localName, unary(method, byName[method.localName]!, context)];
  }));
}

function unary(
  method: DescMethod,
  handler: AnyHandler,
  context: CallerSources,
): handleUnaryCall<Buffer, MessageShape<DescMessage>> {
  return (call, callback) => {
    const controller = new AbortController();
    const abort = () => controller.abort(abortReason(call));
    // The client may have gone while its request was being read.
    if (call.cancelled) abort();
    else call.once("cancelled", abort);
    const trailer = new Metadata();
    const answer = async () => {
      const request = decode(method.input, call.request);
      const warn = (message: string) => addWarning(trailer, message);
      const response = await withCaller(
        await callerOf(call, context),
        () => handler(request, { signal: controller.signal, warn }),
      );
      return create(method.output, response as MessageInitShape<DescMessage>);
    };
    answer()
      .finally(() => call.off("cancelled", abort))
      .then(
        (response) => callback(null, response, trailer),
        (error) => callback(statusOf(error, method.name)),
      );
  };
}

/** Decodes a request. @throws {DaemonError} INVALID_ARGUMENT where it is malformed */
function decode(schema: DescMessage, bytes: Buffer): MessageShape<DescMessage> {
  try {
    checkShape(schema, bytes);
    return fromBinary(schema, bytes);
  } catch (error) {
    if (error instanceof DaemonError) throw error;
    const problem = `Cannot decode the request: ${messageOf(error)}`;
    throw new DaemonError("INVALID_ARGUMENT", problem, { cause: error });
  }
}

async function callerOf(
  call: ServerUnaryCall<Buffer, unknown>,
  { peers, spans }: CallerSources,
): Promise<Caller> {
  const deadline = Number(call.getDeadline());
  const { address = call.getPeer(), identity } = await peers.ofCall(call.metadata) ?? {};
  const trace = spans.ofCall(call.metadata);
  return {
    peer: address,
    ...(trace ? { trace } : {}),
    ...(identity === undefined ? {} : { identity }),
    ...(Number.isFinite(deadline) ? { deadline } : {}),
  };
}

function abortReason(call: ServerUnaryCall<Buffer, unknown>): DaemonError {
  return Number(call.getDeadline()) <= Date.now()
    ? new DaemonError("DEADLINE_EXCEEDED", "the call's deadline passed")
    : new DaemonError("CANCELLED", "the call was cancelled");
}
