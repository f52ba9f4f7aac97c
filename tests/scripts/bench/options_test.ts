import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type BenchOptions,
  MEASUREMENTS,
  parseArgs,
  USAGE,
} from "../../../scripts/bench/options.ts";
import { PHASES, TOOL_NAMES } from "../../../scripts/bench/contenders.ts";

function parsed(...args: string[]): BenchOptions {
  const options = parseArgs(args);
  assert(typeof options !== "string", String(options));
  return options;
}

Deno.test("a bench without options measures everything but what takes hours", () => {
  const { corpora, measurements, tools, rows, rounds, cold } = parsed();
  assertEquals(corpora, ["small", "large", "git", "mix"]);
  assertEquals(measurements, MEASUREMENTS);
  assertEquals(tools, TOOL_NAMES);
  assertEquals(rows, PHASES);
  assertEquals({ rounds, cold }, { rounds: 3, cold: false });
});

Deno.test("a quick bench makes one round unless told otherwise", () => {
  assertEquals(parsed("--quick").rounds, 1);
  assertEquals(parsed("--rounds=5", "--quick").rounds, 5);
});

Deno.test("only takes corpora, measurements, tools and rows", () => {
  const corpus = parsed("--only=mix,huge");
  assertEquals([corpus.corpora, corpus.measurements], [["mix", "huge"], []]);
  assertEquals([corpus.tools, corpus.rows], [TOOL_NAMES, PHASES]);
  const measurement = parsed("--only=latency");
  assertEquals([measurement.corpora, measurement.measurements], [[], ["latency"]]);
  const both = parsed("--only=git", "--only=restic,wsdaemon,first");
  assertEquals([both.corpora, both.tools, both.rows], [["git"], ["wsdaemon", "restic"], ["first"]]);
});

Deno.test("whoever names only tools or rows gets the corpora, and no measurement of daemons", () => {
  const { corpora, measurements, rows } = parsed("--only=restore");
  assertEquals([corpora.length, measurements, rows], [4, [], ["restore"]]);
});

Deno.test("a bench refuses what it does not know, by name", () => {
  assertEquals(parseArgs(["--only=small,smal"]), "bench: nothing is named smal");
  for (const arg of ["--rounds=0", "--rounds=x", "--only=", "--slow", "small"]) {
    assertEquals(parseArgs([arg]), `bench: cannot use ${arg}`);
  }
});

Deno.test("the usage names all that can be asked for", () => {
  for (const name of [...MEASUREMENTS, ...TOOL_NAMES, ...PHASES, "million", "huge"]) {
    assertStringIncludes(USAGE, name);
  }
});
