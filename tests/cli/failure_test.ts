import { assertEquals } from "@std/assert";
import { describeFailure, EXIT, Failure, failureJson } from "../../src/cli/failure.ts";
import { kindName } from "../../src/cli/operations/format.ts";
import type { OperationKind } from "../../src/wire/mod.ts";

Deno.test("a failed call is told in one line, and for programs in the same parts", () => {
  // Words that look like the parts around them stay.
  const message = "no NOT_FOUND: [NO_WORKSPACE] here";
  const failure = new Failure(message, {
    code: "NOT_FOUND",
    reason: "NO_WORKSPACE",
    hint: "; look",
  });
  assertEquals(describeFailure(failure), [
    `error: NOT_FOUND: ${message} [NO_WORKSPACE]; look`,
  ]);
  assertEquals(failureJson(failure), {
    code: "NOT_FOUND",
    reason: "NO_WORKSPACE",
    message: `${message}; look`,
  });
});

Deno.test("an interrupted command names its code for programs only", () => {
  const failure = new Failure("Interrupted", { code: "CANCELLED", exitCode: EXIT.interrupted });
  assertEquals(describeFailure(failure), ["error: Interrupted"]);
  assertEquals(failureJson(failure), { code: "CANCELLED", message: "Interrupted" });
});

Deno.test("a kind of operation that a newer daemon has is shown by its number", () => {
  assertEquals(kindName(99 as OperationKind), "99");
});
