import { assert, assertEquals, assertLess, assertMatch, assertNotMatch } from "@std/assert";
import { status as codes } from "@grpc/grpc-js";
import {
  DaemonError,
  type ErrorCode,
  fromWire,
  invalid,
  machineError,
  type Reason,
  REASONS,
  toWire,
} from "../../src/errors.ts";
import { type CallStatus, statusOf } from "../../src/rpc/status.ts";
import { DETAILS_KEY, detailsIn } from "../../src/wire/mod.ts";

/** The bytes of both trailers that a status travels in. */
function trailerBytes({ details, metadata }: CallStatus): number {
  const [bytes] = metadata.get(DETAILS_KEY);
  assert(bytes instanceof Uint8Array);
  return encodeURI(details).length + Math.ceil(bytes.length / 3) * 4;
}

Deno.test("a DaemonError answers with its own code and message", () => {
  const names: ErrorCode[] = [
    "ABORTED",
    "ALREADY_EXISTS",
    "CANCELLED",
    "DATA_LOSS",
    "DEADLINE_EXCEEDED",
    "FAILED_PRECONDITION",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
    "UNIMPLEMENTED",
  ];
  for (const name of names) {
    const status = statusOf(new DaemonError(name, "what happened"), "M");
    assertEquals(status.code, codes[name]);
    assertEquals(status.details, "what happened");
  }
});

Deno.test("what is not a DaemonError answers INTERNAL, its message kept from the caller", () => {
  const bugs = [
    new Error("secret path"),
    "secret path",
    new DaemonError("INTERNAL", "secret path"),
  ];
  for (const bug of bugs) {
    const { code, details, metadata } = statusOf(bug, "M");
    assertEquals(code, codes.INTERNAL);
    assertNotMatch(details, /secret/);
    assertMatch(details, /internal error [0-9a-f-]{36}/);
    assertEquals(detailsIn(metadata), { reason: "INTERNAL_ERROR", violations: [] });
    assertNotMatch(new TextDecoder().decode(metadata.get(DETAILS_KEY)[0] as Uint8Array), /secret/);
  }
});

Deno.test("a timeout answers DEADLINE_EXCEEDED, an abort CANCELLED", () => {
  const timeout = statusOf(new DOMException("late", "TimeoutError"), "M");
  assertEquals([timeout.code, timeout.details], [codes.DEADLINE_EXCEEDED, "late"]);
  assertEquals(detailsIn(timeout.metadata)?.reason, "DEADLINE_EXCEEDED");
  const abort = statusOf(new DOMException("gone", "AbortError"), "M");
  assertEquals([abort.code, abort.details], [codes.CANCELLED, "gone"]);
  assertEquals(detailsIn(abort.metadata)?.reason, "CANCELLED");
});

Deno.test("a message is cut to what a trailer can hold, and made well-formed", () => {
  const { details } = statusOf(new DaemonError("DATA_LOSS", "\ud800é".repeat(5000)), "M");
  assert(details.isWellFormed());
  assertLess(encodeURI(details).length, 6100);
  assert(details.endsWith("..."));
});

Deno.test("every reason is told with its code, and a pause where a retry makes sense", () => {
  for (const [reason, { code, retrySeconds }] of Object.entries(REASONS)) {
    const status = statusOf(new DaemonError(code, "m", { reason: reason as Reason }), "M");
    assertEquals(status.code, codes[code]);
    assertEquals(detailsIn(status.metadata), {
      reason,
      violations: [],
      ...(retrySeconds === undefined ? {} : { retryAfter: retrySeconds * 1000 }),
    });
  }
});

Deno.test("a reason that belongs to another code is not told", () => {
  const error = new DaemonError("NOT_FOUND", "m", { reason: "STORE_FULL" });
  assertEquals(error.reason, "NOT_FOUND");
});

Deno.test("a wrong field is told by its path and the rule", () => {
  const { metadata } = statusOf(invalid("metadata.owner", "must be set"), "M");
  assertEquals(detailsIn(metadata), {
    reason: "INVALID_REQUEST",
    violations: [{ field: "metadata.owner", description: "must be set" }],
  });
});

Deno.test("context and a MessagePort keep reason, fields and resource", () => {
  const error = new DaemonError("NOT_FOUND", "m", {
    reason: "WORKSPACE_NOT_FOUND",
    resource: { type: "workspace", name: "w" },
    violations: [{ field: "id", description: "must be known" }],
  });
  const far = fromWire(structuredClone(toWire(error.withContext("Looking"))));
  assertEquals(detailsIn(statusOf(far, "M").metadata), {
    reason: "WORKSPACE_NOT_FOUND",
    resource: { type: "workspace", name: "w" },
    violations: [{ field: "id", description: "must be known" }],
  });
});

Deno.test("a failure that another one led to tells the reason of that", () => {
  const cause = new DaemonError("UNAVAILABLE", "m", { reason: "STORE_UNAVAILABLE" });
  const error = new DaemonError("DATA_LOSS", "m", {
    cause: cause.withContext("Saving"),
    reason: "FINAL_SAVE_FAILED",
  });
  assertEquals(detailsIn(statusOf(error, "M").metadata), {
    reason: "FINAL_SAVE_FAILED",
    cause: "STORE_UNAVAILABLE",
    violations: [],
  });
});

Deno.test("faults of the node are told apart by their errno", () => {
  const reasonOf = (errno: string) =>
    machineError(Object.assign(new Error("m"), { code: errno }))?.reason;
  const errnos = ["ENOSPC", "EMFILE", "EIO", "EROFS", "EACCES", "EBUSY", "ESTALE"];
  assertEquals(errnos.map(reasonOf), [
    "NODE_OUT_OF_SPACE",
    "NODE_LIMIT_REACHED",
    "NODE_DISK_FAULT",
    "NODE_DISK_FAULT",
    "NODE_PERMISSION_DENIED",
    "NODE_PATH_IN_USE",
    "FILE_SYSTEM_UNAVAILABLE",
  ]);
});

Deno.test("message and details stay below what a client accepts, however long they are", () => {
  for (const size of [100, 2000, 3800, 5000, 20_000]) {
    for (const text of ["x", "é", "\u{1f600}"]) {
      const long = text.repeat(size);
      const status = statusOf(invalid(`a["${long}"]`, "must not be"), "M");
      assertLess(trailerBytes(status), 7401, `${size} of ${text}`);
      assertEquals(detailsIn(status.metadata)?.reason, "INVALID_REQUEST");
    }
  }
  const plain = statusOf(invalid("id", "x".repeat(9000)), "M");
  assertEquals(detailsIn(plain.metadata)?.violations, [{ field: "id", description: "" }]);
});
