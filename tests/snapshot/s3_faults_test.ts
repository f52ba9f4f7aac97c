/**
 * What becomes of a backup and of a restore when a fault meets one of its steps: success after
 * retries, or the error in the table. Whatever it was, the previous backup, or the new one where it
 * succeeded, is whole afterwards and restores; and a backup that failed succeeds when it is asked for
 * again.
 */

import { assert, assertEquals } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import type { Fault } from "../fixtures/fault_proxy.ts";
import { startS3 } from "../fixtures/s3rver.ts";
import { S3Node } from "./s3_node.ts";

type Outcome =
  | "success"
  | "UNAVAILABLE"
  | "FAILED_PRECONDITION"
  | "RESOURCE_EXHAUSTED"
  | "DATA_LOSS";

/** A request of a backup or restore: which one matches, and how many like it come first. */
type Step = [name: string, on: RegExp, skip: number];

const LAYER_LOOK = "the look for its layer";
const INDEX_LOOK = "the look for its index";
const LAYER_END = "its layer's end";
const REFERENCE = "its reference";
const CARRIED = "the look at what it carries over";
const AFTERWARDS = "the last look at what it carries over";

const PUTS: Step[] = [
  ["its layer's second part", /^PUT .*partNumber=2\b/, 0],
  ["its index", /^PUT .*blobs.*=PutObject/, 0],
  ["its config", /^PUT .*blobs.*=PutObject/, 1],
  ["its manifest", /^PUT .*blobs.*=PutObject/, 2],
  [REFERENCE, /^PUT .*refs/, 0],
];
const POSTS: Step[] = [
  ["its layer's start", /^POST .*\?uploads/, 0],
  [LAYER_END, /^POST .*uploadId=/, 0],
];
const BACKUP: Step[] = [
  ...PUTS,
  ...POSTS,
  [LAYER_LOOK, /^HEAD .*blobs/, 0],
  ["the look at the history", /^GET .*refs/, 0],
  [CARRIED, /^GET .*blobs/, 0],
  [AFTERWARDS, /^GET .*blobs/, 1],
];
// The listing, whose ETags tell damaged content from somebody else's, gets through.
const RESTORE: Step[] = [
  ["what its reference is", /^GET .*refs/, 0],
  ["its manifest", /^GET .*blobs.*=GetObject/, 0],
  ["its config", /^GET .*blobs.*=GetObject/, 1],
  ["its index", /^GET .*blobs.*=GetObject/, 2],
  ["its layer", /^GET .*blobs.*=GetObject/, 3],
  ["its layer's second range", /^GET .*blobs.*=GetObject/, 4],
];
const LOOK: Step = [INDEX_LOOK, /^HEAD .*blobs/, 0];

const answer = (status: number, code: string): Fault => ({ kind: "answer", status, code });

/** A fault, what it ends in when it passes and when it stays, and whom it befalls. */
interface Row {
  name: string;
  fault: Fault;
  passing: Outcome;
  staying: Outcome;
  steps: Step[];
  /** Where it stays, and the step makes a difference. */
  but?: Record<string, Outcome>;
}

function row(
  name: string,
  fault: Fault,
  [passing, staying]: [Outcome, Outcome],
  steps: Step[],
  but: Record<string, Outcome> = {},
): Row {
  return { name, fault, passing, staying, steps, but };
}

const RETRIED: [Outcome, Outcome] = ["success", "UNAVAILABLE"];
const REFUSED: [Outcome, Outcome] = ["FAILED_PRECONDITION", "FAILED_PRECONDITION"];
const FULL: [Outcome, Outcome] = ["RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED"];
const DAMAGED: [Outcome, Outcome] = ["success", "DATA_LOSS"];

const eitherWay = (steps: Step[]): Row[] => [
  row("503", answer(503, "SlowDown"), RETRIED, steps),
  row("500", answer(500, "InternalError"), RETRIED, steps),
  row("reset", { kind: "reset-before" }, RETRIED, steps),
  row("stall", { kind: "stall" }, RETRIED, steps),
  // What was joined or replaced is there, whatever became of the answer.
  row("lost answer", { kind: "lose-answer" }, RETRIED, steps, {
    [LAYER_END]: "success",
    [REFERENCE]: "success",
  }),
  // Where only a HEAD is refused, the GET that is to tell why contradicts it.
  row("wrong signature", answer(403, "SignatureDoesNotMatch"), REFUSED, steps, {
    [LAYER_LOOK]: "UNAVAILABLE",
    [INDEX_LOOK]: "UNAVAILABLE",
  }),
];
const UPLOADS: Row[] = [
  ...eitherWay(BACKUP),
  row("full bucket", answer(507, "InsufficientStorage"), FULL, [...PUTS, ...POSTS]),
  // s3rver stores what it gets and its ETag tells; servers that check Content-MD5 refuse it.
  row("corrupted body", { kind: "corrupt-request" }, RETRIED, PUTS),
  row("truncated body", { kind: "cut-request" }, RETRIED, PUTS),
  row("refused body", answer(400, "BadDigest"), RETRIED, PUTS),
  row("error in a 200", { kind: "error-in-200", code: "InternalError" }, RETRIED, POSTS),
];
const DOWNLOADS: Row[] = [
  ...eitherWay([...RESTORE, LOOK]),
  row("reset midway", { kind: "cut-answer" }, RETRIED, RESTORE),
  row("stall midway", { kind: "stall-midway" }, RETRIED, RESTORE),
  row("truncated body", { kind: "cut-honestly" }, DAMAGED, RESTORE),
  row("corrupted body", { kind: "corrupt-answer" }, DAMAGED, RESTORE),
];

const server = await startS3();
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

async function outcomeOf(work: () => Promise<unknown>): Promise<Outcome> {
  try {
    await work();
    return "success";
  } catch (error) {
    assert(error instanceof DaemonError && error.message.length > 20, String(error));
    return error.code as Outcome;
  }
}

/** How often each request is tried. */
const ATTEMPTS = 2;
/** What is under way beside a request that stalls may be taken for stalled as well. */
const ATTEMPTS_AT_STALLS = 4;

const byAttempts = (rows: Row[]) =>
  [ATTEMPTS_AT_STALLS, ATTEMPTS].map((attempts) => ({
    attempts,
    rows: rows.filter(({ fault }) =>
      fault.kind.startsWith("stall") === (attempts === ATTEMPTS_AT_STALLS)
    ),
  }));

const namesOf = (rows: Row[]) => [...new Set(rows.map(({ name }) => name))].join(", ");

/** All steps of one operation meet the fault once each; every one of them did. */
async function meetEverywhere(
  { proxy }: S3Node,
  { fault, steps, name }: Row,
  work: () => Promise<unknown>,
): Promise<void> {
  // The last look asks for what was asked for before: the two are told apart by their order.
  const looks = steps.filter(([step]) => step === CARRIED || step === AFTERWARDS);
  const others = steps.filter((step) => !looks.includes(step));
  const on = new RegExp(others.map(([, { source }]) => source).join("|"));
  proxy.plan(
    { fault, on, each: true },
    ...looks.map(([, on, skip]) => ({ fault, on, skip })),
  );
  await work();
  proxy.assertAllFired();
  for (const [step, on, skip] of others) {
    const met = proxy.requests.filter(({ line, fault }) => fault && on.test(line));
    const different = new Set(met.map(({ line, headers }) => `${line} ${headers.range}`));
    assert(different.size > skip, `${name} did not befall ${step}`);
  }
  proxy.plan();
}

for (const { attempts, rows } of byAttempts(UPLOADS)) {
  Deno.test(`backup that meets ${namesOf(rows)} ends as the table says, and never costs the previous one`, async () => {
    await using node = await S3Node.open(server, attempts);
    const { proxy } = node;
    await node.edit();
    await node.backup();
    await node.edit();
    let before = await node.backup();
    const seen: string[] = [];
    const expected: string[] = [];
    for (const [step, on, skip] of BACKUP) {
      let isNew = false;
      for (const { name, fault, staying, steps, but } of rows) {
        if (!steps.some(([one]) => one === step)) continue;
        // s3rver puts it in the place of the one before each time; any other server is "refused body".
        const stays = /^(corrupt|cut)-request/.test(fault.kind);
        if (stays && step === REFERENCE) continue;
        if (!isNew) await node.edit();
        // What comes before is there from the last time, and is not sent again.
        const toSkip = isNew && on.source.includes("PutObject") ? 0 : skip;
        proxy.plan({ fault, on, skip: toSkip, times: Infinity });
        const ended = await outcomeOf(async () => before = await node.backup());
        proxy.assertAllFired();
        proxy.plan();
        isNew = ended !== "success" && !stays && fault.kind !== "lose-answer";
        const what = `${step} meets a lasting ${name}`;
        expected.push(`${what}: ${but?.[step] ?? staying}`);
        seen.push(`${what}: ${ended}`);
        const [newest, ...earlier] = await node.stored();
        // What follows the reference comes late.
        if (step === AFTERWARDS) before = newest!;
        assertEquals([newest, earlier.length], [before, 1], what);
        node.assertTidy(what);
      }
    }
    for (const row of rows) {
      const { name, passing } = row;
      const text = await node.edit();
      if (passing === "success") {
        await meetEverywhere(node, row, async () => before = await node.backup());
      } else {
        before = await node.backup();
      }
      assertEquals((await node.stored())[0], before, name);
      assertEquals(await node.restore(), text, name);
      node.assertTidy(name);
    }
    assertEquals(seen, expected);
  });
}

for (const { attempts, rows } of byAttempts(UPLOADS)) {
  const everywhere = rows.filter(({ steps }) => steps === BACKUP || steps.length > PUTS.length);
  Deno.test(`backup that fails does so for its own reason when giving its parts back meets ${namesOf(everywhere)}`, async () => {
    await using node = await S3Node.open(server, attempts);
    await node.edit();
    const before = await node.backup();
    for (const { name, fault } of everywhere) {
      await node.edit();
      node.proxy.plan(
        { fault: answer(400, "InvalidRequest"), on: /^PUT .*partNumber=2\b/, times: Infinity },
        { fault, on: /^DELETE .*uploadId=/, times: Infinity },
      );
      assertEquals(await outcomeOf(() => node.backup()), "FAILED_PRECONDITION", name);
      node.proxy.assertAllFired();
      node.proxy.plan();
      assertEquals(await node.stored(), [before], name);
      node.assertTidy(name);
    }
  });
}

for (const { attempts, rows } of byAttempts(DOWNLOADS)) {
  Deno.test(`restore that meets ${namesOf(rows)} ends as the table says, and leaves the backup as it is`, async () => {
    // One more, for what breaks off first.
    await using node = await S3Node.open(server, attempts + 1);
    const { proxy } = node;
    const text = await node.edit();
    await node.backup();
    const seen: string[] = [];
    const expected: string[] = [];
    const tryOne = async (what: string, outcome: Outcome) => {
      expected.push(`${what}: ${outcome}`);
      seen.push(`${what}: ${await outcomeOf(() => node.restore())}`);
      proxy.assertAllFired();
      proxy.plan();
      node.assertTidy(what);
    };
    for (const row of rows) {
      const { name, fault, passing, staying, steps, but } = row;
      for (const [step, on, skip] of steps) {
        proxy.plan({ fault, on, skip, times: Infinity });
        await tryOne(`${step} meets a lasting ${name}`, but?.[step] ?? staying);
      }
      // The rest of a range that broke off is another request.
      const [, on, skip] = steps.find(([name]) => name === "its layer")!;
      const cut = { fault: { kind: "cut-answer" } as const, on, skip };
      proxy.plan(cut, { fault, on, times: Infinity });
      await tryOne(`the rest of its layer meets a lasting ${name}`, staying);
      if (passing === "success") {
        proxy.plan(cut, { fault, on });
        await tryOne(`the rest of its layer meets ${name}`, "success");
        if (!/midway|truncated/.test(name)) await meetEverywhere(node, row, () => node.restore());
      }
      assertEquals(await node.restore(), text, name);
    }
    assertEquals(seen, expected);
  });
}

Deno.test("backup whose reference arrives with one wrong digit, and fails, loses none of the earlier", async () => {
  await using node = await S3Node.open(server, ATTEMPTS);
  await node.edit();
  let older = await node.backup();
  await node.edit();
  let newer = await node.backup();
  const wrongDigit = (nth: number) => (body: Uint8Array) => {
    const text = new TextDecoder().decode(body);
    const digit = [...text.matchAll(/sha256:[0-9a-f]{64}/g)][nth]!.index + 20;
    const other = text[digit] === "a" ? "b" : "a";
    return new TextEncoder().encode(text.slice(0, digit) + other + text.slice(digit + 1));
  };
  const closed = {};
  const failed = { answer: { status: 500, code: "InternalError" } };
  let text = "";
  // Of the new backup, of the one carried over, and of the reference itself.
  for (const [nth, end] of [[0, failed], [1, failed], [1, closed], [2, closed]] as const) {
    text = await node.edit();
    const fault: Fault = { kind: "alter-request", alter: wrongDigit(nth), ...end };
    node.proxy.plan({ fault, on: /^PUT .*refs/ });
    [older, newer] = [newer, await node.backup()];
    node.proxy.assertAllFired();
    node.proxy.plan();
    assertEquals(await node.stored(), [newer, older]);
  }
  assertEquals(await node.restore(), text);
});
