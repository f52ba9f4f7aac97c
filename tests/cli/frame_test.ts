import { assertEquals } from "@std/assert";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { frame } from "../../src/cli/operations/frame.ts";
import { describeProgress, printable } from "../../src/cli/operations/format.ts";
import { bar, terminalSize } from "../../src/cli/terminal.ts";
import { formatSpan } from "../../src/config/mod.ts";
import { NodeSchema, OperationKind, OperationSchema, OperationState } from "../../src/wire/mod.ts";

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

function operation(id: string, more: MessageInitShape<typeof OperationSchema>) {
  return create(OperationSchema, {
    id,
    kind: OperationKind.BACKUP,
    state: OperationState.RUNNING,
    workspaceId: `w${id}`,
    startTime: timestampFromMs(NOW - 65_000),
    attempt: 1,
    maxAttempts: 3,
    ...more,
  });
}

Deno.test("the picture of a node has failures first, then bars of what runs, then what has ended", () => {
  const operations = [
    operation("1", {
      state: OperationState.SUCCEEDED,
      endTime: timestampFromMs(NOW - 5_000),
      progress: { filesDone: 7n, bytesDone: 2048n },
    }),
    operation("2", {
      kind: OperationKind.INIT,
      phase: "initializing",
      progress: { filesDone: 1n, filesTotal: 4n, bytesDone: 25n, bytesTotal: 100n },
    }),
    operation("3", {
      parentId: "2",
      workspaceId: "w2",
      kind: OperationKind.RESTORE,
      phase: "restoring",
      progress: { bytesDone: 25n, bytesTotal: 100n, bytesPerSecond: 5n },
    }),
    operation("4", {
      phase: "queued",
      queuePosition: 2,
      attempt: 2,
      slow: true,
      failure: { code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE", message: "no store" },
    }),
    operation("5", {
      state: OperationState.FAILED,
      endTime: timestampFromMs(NOW - 60_000),
      failure: { code: "UNAVAILABLE", reason: "STORE_UNAVAILABLE", message: "no\x1b[2Jstore" },
    }),
    operation("6", { state: OperationState.FAILED, endTime: timestampFromMs(NOW - 3_600_000) }),
  ];
  const node = create(NodeSchema, {
    problems: [
      {
        reason: "STORE_UNAVAILABLE",
        part: "store",
        message: "refused\x1b[2J",
        since: timestampFromMs(NOW - 130_000),
      },
      { reason: "CERTIFICATE_EXPIRES", part: "cert", message: "CN=n ends" },
    ],
  });
  const lines = frame({ address: "n:1", operations, now: NOW, node }, { columns: 200, rows: 50 });
  assertEquals(lines, [
    "n:1  03:04:05Z  2 running, 1 waiting, 1 failed lately",
    "",
    "PROBLEM STORE_UNAVAILABLE (store, for 2m 10s): refused\\u{1b}[2J",
    "PROBLEM CERTIFICATE_EXPIRES (cert): CN=n ends",
    "FAILED 5  backup w5                 UNAVAILABLE: no\\u{1b}[2Jstore [STORE_UNAVAILABLE]",
    "",
    "[#####---------------]  25%  2  init w2                   initializing  1 of 4 files, 25 B of 100 B  1m 5s",
    "[#####---------------]  25%  3    restore w2              restoring  25 B of 100 B, 5 B/s  1m 5s",
    "[....................]       4  backup w4                 queued, slow, 2 before it, attempt 2 of 3  1m 5s  UNAVAILABLE: no store [STORE_UNAVAILABLE]",
    "",
    "succeeded                    1  backup w1                 1m  7 files, 2.0 KiB",
    "failed                       6  backup w6                 0s",
  ]);
});

Deno.test("what is counted has the name that it has for the operation", () => {
  const progress = { filesDone: 1n, filesTotal: 3n };
  const words = (kind: OperationKind) => describeProgress(operation("1", { kind, progress }));
  assertEquals(words(OperationKind.BACKUP), "1 of 3 files");
  assertEquals(words(OperationKind.DRAIN), "1 of 3 workspaces");
  assertEquals(words(OperationKind.VERIFICATION), "1 of 3 blobs");
  assertEquals(words(OperationKind.COLLECTION), "1 of 3 objects");
});

Deno.test("a picture is cut to the terminal, and says that the daemon does not answer", () => {
  const operations = Array.from({ length: 50 }, (_, n) => operation(`${n}`, { phase: "packing" }));
  const view = { address: "n:1", operations, now: NOW, problem: "nobody listens" };
  const lines = frame(view, { columns: 24, rows: 6 });
  assertEquals(
    lines,
    [
      "n:1  03:04:05Z  50 runni",
      "NO ANSWER: nobody listen",
      "[....................]",
      "[....................]",
      "[....................]",
    ].map((line, n) => n < 2 ? line : lines[n]!),
  );
  assertEquals([lines.length, Math.max(...lines.map(({ length }) => length))], [5, 24]);
});

Deno.test("a terminal that knows no size of its own is drawn on as usual", () => {
  const usual = { columns: 80, rows: 24 };
  assertEquals(terminalSize(() => ({ columns: 0, rows: 0 })), usual);
  assertEquals(terminalSize(() => ({ columns: 100, rows: 0 })), { columns: 100, rows: 24 });
  assertEquals(
    terminalSize(() => {
      throw new Error("no terminal");
    }),
    usual,
  );
});

Deno.test("a bar is whole at its end, and not before", () => {
  assertEquals(bar(0.999, 4), "[###-]  99%");
  assertEquals(bar(1, 4), "[####] 100%");
});

Deno.test("spans of time have their two largest units", () => {
  const spans: [number, string][] = [
    [-5, "0s"],
    [999, "0s"],
    [61_000, "1m 1s"],
    [3_600_000, "1h"],
    [90_061_000, "1d 1h"],
  ];
  for (const [milliseconds, text] of spans) assertEquals(formatSpan(milliseconds), text);
});

Deno.test("a daemon's text does nothing to a terminal, and stays in its line", () => {
  assertEquals(printable("a\nb\x1b]0;x\x07\u202ec"), "a b\\u{1b}]0;x\\u{7}\\u{202e}c");
});
