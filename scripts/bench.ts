/**
 * Measures the content engine beside other tools: first backup, again with nothing changed, again
 * with 1% changed, restore. All alternate in one session; medians are compared. Then how long a small
 * call takes, idle and beside a backup, and what many backups of tiny workspaces take.
 *
 *     deno task bench [--quick] [--million] [--only=small,git] [--rounds=N] [--folder=DIR] [--json]
 */

import { join } from "@std/path";
import { corpora, type Corpus, editSome } from "./bench/corpora.ts";
import { type Contender, type Phase, PHASES, setAside, tools } from "./bench/contenders.ts";
import { type Measure, median } from "./bench/measure.ts";
import { Ours } from "./bench/ours.ts";
import { type BenchOptions, parseArgs, USAGE } from "./bench/options.ts";
import { evaluateGoals } from "./bench/goals.ts";
import { checkLatency, measureLatency } from "./bench/latency.ts";
import { checkChanges, measureChanges } from "./bench/changes.ts";
import { checkOverhead, measureOverhead } from "./bench/overhead.ts";
import { measureLayerStarts } from "./bench/layer_starts.ts";
import { measureSaves } from "./bench/saves.ts";
import { evaluateStarts, measureStarts } from "./bench/starts.ts";
import { type BenchReport, type CorpusResult, machine, printReport } from "./bench/report.ts";

type Samples = Map<string, Map<Phase, Measure[]>>;

const progress = (line: string) => Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));

/**
 * Has the disk catch up, so that nobody waits for what another has written, and the whole tree read,
 * since borg has the kernel forget what it has read.
 */
async function settle(tree: string): Promise<void> {
  const script = `sync; find "$TREE" -type f -print0 | xargs -0 cat > /dev/null`;
  await new Deno.Command("sh", { args: ["-c", script], env: { TREE: tree } }).output();
}

async function benchCorpus(
  corpus: Corpus,
  ours: Ours,
  others: readonly Contender[],
  rounds: number,
  folder: string,
): Promise<CorpusResult> {
  progress(`${corpus.name}: making ${corpus.description}`);
  await corpus.make(ours.place);
  const contenders: Contender[] = [...others, ours];
  const samples: Samples = new Map(contenders.map(({ name }) => [name, new Map()]));
  const stored = new Map<string, { first: number; changed: number }>();
  const runPhase = async (phase: Phase) => {
    for (const contender of contenders) {
      if (!contender.phases.includes(phase)) continue;
      await settle(ours.place);
      const measure = await contender.run(phase);
      const all = samples.get(contender.name)!;
      all.set(phase, [...(all.get(phase) ?? []), measure]);
      progress(`${corpus.name}: ${contender.name} ${phase} ${measure.wall.toFixed(2)} s`);
    }
  };
  // Once for nothing, so that everyone finds caches and compiled code alike.
  await ours.begin();
  await ours.run("first");
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) await contender.begin(ours.place);
    await runPhase("first");
    const first = new Map(contenders.map((one) => [one.name, one.stored()]));
    await runPhase("again");
    editSome(ours.place, round);
    await runPhase("changed");
    await runPhase("restore");
    for (const one of contenders) {
      stored.set(one.name, { first: first.get(one.name)!, changed: one.stored() });
    }
  }
  await setAside(ours.place, folder);
  return {
    corpus: corpus.name,
    description: corpus.description,
    contenders: contenders.map(({ name }) => ({
      name,
      stored: stored.get(name)!,
      phases: Object.fromEntries(
        PHASES.flatMap((phase) => {
          const measures = samples.get(name)!.get(phase);
          return measures ? [[phase, medians(measures)]] : [];
        }),
      ),
    })),
  };
}

function medians(measures: readonly Measure[]): Measure {
  const of = (key: "cpu" | "memory") => {
    const values = measures.flatMap((measure) => measure[key] ?? []);
    return values.length > 0 ? { [key]: median(values) } : {};
  };
  return { wall: median(measures.map(({ wall }) => wall)), ...of("cpu"), ...of("memory") };
}

async function benchCorpora(
  wanted: readonly Corpus[],
  rounds: number,
  folder: string,
): Promise<CorpusResult[]> {
  if (wanted.length === 0) return [];
  using ours = new Ours(join(folder, "root"), navigator.hardwareConcurrency);
  const others = tools(folder);
  const results: CorpusResult[] = [];
  for (const corpus of wanted) {
    results.push(await benchCorpus(corpus, ours, others, rounds, folder));
  }
  return results;
}

/** Measures whole daemons, as the options say, and adds that to the report. */
async function measureDaemons(
  report: BenchReport,
  corpus: Corpus,
  folder: string,
  options: BenchOptions,
): Promise<void> {
  if (options.latency) {
    progress("latency: calls beside a backup");
    report.latency = await measureLatency(corpus, folder, options.rounds);
    report.goals.push(checkLatency(report.latency, corpus.name));
  }
  if (options.overhead) {
    progress("overhead: what operations, logs, metrics and traces take");
    report.overhead = await measureOverhead(corpus, folder, options.rounds);
    report.goals.push(checkOverhead(report.overhead));
  }
  if (options.saves) {
    progress("saves: backups of tiny workspaces");
    report.saves = await measureSaves(options.quick ? 1_000 : 10_000, folder);
  }
  if (options.starts) {
    progress("starts: from bases, on btrfs");
    const starts = await measureStarts(corpus, folder, options.rounds);
    if (starts) {
      report.starts = starts;
      report.goals.push(...evaluateStarts(starts));
    }
  }
  if (options.layers) {
    progress("layers: starts from cached layers and from S3");
    report.layers = await measureLayerStarts(corpus, folder, options.rounds);
  }
  if (options.changes) {
    progress("changes: backups and disposals on btrfs");
    const changes = await measureChanges(corpus, folder, options.rounds);
    if (changes) {
      report.changes = changes;
      report.goals.push(...checkChanges(changes));
    }
  }
}

async function main(): Promise<number> {
  const options = parseArgs(Deno.args);
  if (typeof options === "string") {
    progress(`${options}\n${USAGE}`);
    return 2;
  }
  const folder = await Deno.makeTempDir({
    prefix: "wsdaemon-bench-",
    ...(options.folder === undefined ? {} : { dir: options.folder }),
  });
  try {
    const all = corpora(options.quick, options.million);
    const results = await benchCorpora(
      all.filter(({ name }) => options.only?.includes(name) ?? true),
      options.rounds,
      folder,
    );
    const report: BenchReport = {
      machine: machine(navigator.hardwareConcurrency),
      rounds: options.rounds,
      results,
      goals: evaluateGoals(results),
    };
    await measureDaemons(report, all[0]!, folder, options);
    const output = options.json ? JSON.stringify(report, null, 2) : printReport(report);
    Deno.stdout.writeSync(new TextEncoder().encode(`${output}\n`));
    return 0;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main());
