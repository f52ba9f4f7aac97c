import { assert, assertEquals, assertLess, assertMatch, assertNotMatch } from "@std/assert";
import { status as codes } from "@grpc/grpc-js";
import { DaemonError, type ErrorCode } from "../../src/errors.ts";
import { statusOf } from "../../src/rpc/status.ts";

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
    assertEquals(status, { code: codes[name], details: "what happened" });
  }
});

Deno.test("what is not a DaemonError answers INTERNAL, its message kept from the caller", () => {
  const bugs = [
    new Error("secret path"),
    "secret path",
    new DaemonError("INTERNAL", "secret path"),
  ];
  for (const bug of bugs) {
    const { code, details } = statusOf(bug, "M");
    assertEquals(code, codes.INTERNAL);
    assertNotMatch(details, /secret/);
    assertMatch(details, /internal error [0-9a-f-]{36}/);
  }
});

Deno.test("a timeout answers DEADLINE_EXCEEDED, an abort CANCELLED", () => {
  const timeout = statusOf(new DOMException("late", "TimeoutError"), "M");
  assertEquals(timeout, { code: codes.DEADLINE_EXCEEDED, details: "late" });
  const abort = statusOf(new DOMException("gone", "AbortError"), "M");
  assertEquals(abort, { code: codes.CANCELLED, details: "gone" });
});

Deno.test("a message is cut to what a trailer can hold, and made well-formed", () => {
  const { details } = statusOf(new DaemonError("DATA_LOSS", "\ud800é".repeat(5000)), "M");
  assert(details.isWellFormed());
  assertLess(encodeURI(details).length, 6100);
  assert(details.endsWith("..."));
});
