import { assertEquals } from "@std/assert";
import { inTurn, phasesFor } from "../../../scripts/bench/bench_corpus.ts";
import { evaluateGoals } from "../../../scripts/bench/goals.ts";
import { summarize } from "../../../scripts/bench/measure.ts";
import type { CorpusResult } from "../../../scripts/bench/report.ts";

Deno.test("over the rounds each contender comes first, and all come", () => {
  assertEquals([0, 1, 2, 3].map((turn) => inTurn(["a", "b", "c"], turn).join("")), [
    "abc",
    "bca",
    "cab",
    "abc",
  ]);
});

Deno.test("rows that need a first backup get one, and come in the order in which they can", () => {
  assertEquals(phasesFor(["restore", "changed"]), ["first", "changed", "restore"]);
  assertEquals(phasesFor(["first"]), ["first"]);
});

function result(corpus: string, seconds: Record<string, number>): CorpusResult {
  const contenders = Object.entries(seconds).map(([name, wall]) => ({
    name,
    stored: { first: 100, changed: 100 },
    phases: { first: summarize([{ wall, cpu: 1, memory: 2 ** 20 }]) },
  }));
  return { corpus, description: "", contenders };
}

Deno.test("a goal is evaluated where its tools were measured, with the corpora that it is for", () => {
  const goals = evaluateGoals([
    result("mix", { wsdaemon: 0.85, "tar-zstd": 1 }),
    result("large", { wsdaemon: 0.85, "tar-zstd": 1 }),
    result("git", { wsdaemon: 0.85 }),
  ]);
  const first = goals.filter(({ goal }) => goal === "first backup, of durable tar | zstd -1");
  assertEquals(first.map(({ corpus, value, met }) => ({ corpus, value, met })), [
    { corpus: "mix", value: 0.85, met: true },
    { corpus: "large", value: 0.85, met: false },
  ]);
});
