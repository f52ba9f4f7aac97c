/**
 * Measures the content engine beside other tools: first backup, again with nothing changed, again
 * with 1% changed, restore, restore once more. All alternate in one session; medians are compared. Then
 * how long a small call takes, idle and beside a backup, and what many backups of tiny workspaces take.
 * `docs/benchmarks.md` describes what is measured and how.
 */

import { join } from "@std/path";
import { readDiskSpace } from "../src/disk_space.ts";
import { AsideFolder } from "./bench/aside_folder.ts";
import { benchCorpus } from "./bench/bench_corpus.ts";
import { corpora, type Corpus } from "./bench/corpora.ts";
import { tools } from "./bench/contenders.ts";
import { Ours } from "./bench/ours.ts";
import { type BenchOptions, parseArgs, USAGE } from "./bench/options.ts";
import { evaluateGoals } from "./bench/goals.ts";
import { checkLatency, measureLatency } from "./bench/latency.ts";
import { checkCrowd, measureCrowd } from "./bench/crowd.ts";
import { checkChunks, measureChunks } from "./bench/chunks.ts";
import { checkChanges, measureChanges } from "./bench/changes.ts";
import { checkOverhead, measureOverhead } from "./bench/overhead.ts";
import { measureLayerStarts } from "./bench/layer_starts.ts";
import { evaluateNetworkRestores, measureNetworkRestores } from "./bench/network_restores.ts";
import { describeMachine } from "./bench/machine.ts";
import { checkMemory, measureMemory } from "./bench/memory.ts";
import { measureSaves } from "./bench/saves.ts";
import { bytesNeeded, LARGE_FILE_BYTES, missingSpace } from "./bench/space.ts";
import { evaluateStarts, measureStarts } from "./bench/starts.ts";
import { type BenchReport, type CorpusResult, printReport } from "./bench/report.ts";

const progress = (line: string) => Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));

async function benchCorpora(
  wanted: readonly Corpus[],
  options: BenchOptions,
  folder: string,
): Promise<CorpusResult[]> {
  if (wanted.length === 0) return [];
  const aside = new AsideFolder(folder);
  using ours = new Ours(join(folder, "root"), aside, navigator.hardwareConcurrency);
  const contenders = [...tools({ folder, aside }), ours]
    .filter(({ name }) => options.tools.includes(name));
  await ours.rest();
  const results: CorpusResult[] = [];
  for (const corpus of wanted) {
    aside.needed = bytesNeeded(corpus, contenders.length);
    results.push(
      await benchCorpus(corpus, ours.place, contenders, { ...options, aside, progress }),
    );
  }
  return results;
}

const largeFileBytes = ({ quick }: BenchOptions) => quick ? LARGE_FILE_BYTES / 8 : LARGE_FILE_BYTES;

/** Measures whole daemons, as the options say, and adds that to the report. */
async function measureDaemons(
  report: BenchReport,
  corpus: Corpus,
  folder: string,
  options: BenchOptions,
): Promise<void> {
  const wanted = new Set(options.measurements);
  if (wanted.has("latency")) {
    progress("latency: calls beside a backup");
    report.latency = await measureLatency(corpus, folder, options.rounds);
    report.goals.push(checkLatency(report.latency, corpus.name));
  }
  if (wanted.has("crowd")) {
    progress("crowd: many calls beside many backups and restores");
    report.crowd = await measureCrowd(corpus, folder, options.rounds, options.quick ? 10 : 30);
    report.goals.push(...checkCrowd(report.crowd));
  }
  if (wanted.has("overhead")) {
    progress("overhead: what operations, logs, metrics and traces take");
    report.overhead = await measureOverhead(corpus, folder, options.rounds);
    report.goals.push(checkOverhead(report.overhead));
  }
  if (wanted.has("saves")) {
    progress("saves: backups of tiny workspaces");
    report.saves = await measureSaves(options.quick ? 1_000 : 10_000, folder);
  }
  if (wanted.has("starts")) {
    progress("starts: from bases, on btrfs");
    const starts = await measureStarts(corpus, folder, options.rounds);
    if (starts) {
      report.starts = starts;
      report.goals.push(...evaluateStarts(starts));
    }
  }
  if (wanted.has("layers")) {
    progress("layers: starts from cached layers and from S3");
    report.layers = await measureLayerStarts(corpus, folder, options.rounds);
  }
  if (wanted.has("network")) {
    progress("network: starts from S3 over a network");
    report.network = await measureNetworkRestores(corpus, folder, options.rounds);
    report.goals.push(...evaluateNetworkRestores(report.network));
  }
  if (wanted.has("chunks")) {
    progress("chunks: backups of a large file");
    report.chunks = await measureChunks(largeFileBytes(options), folder, options.rounds);
    report.goals.push(...checkChunks(report.chunks));
  }
  if (wanted.has("changes")) {
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
    const all = corpora(options.quick);
    const wanted = Object.values(all).filter(({ name }) => options.corpora.includes(name));
    const { measurements } = options;
    const plan = {
      ...{ corpora: wanted, tools: options.tools.length, measurements, first: all.small },
      largeFileBytes: largeFileBytes(options),
    };
    const missing = missingSpace(plan, await readDiskSpace(folder));
    if (missing !== undefined) {
      progress(`bench: ${missing}`);
      return 1;
    }
    const machine = describeMachine(folder);
    const results = await benchCorpora(wanted, options, folder);
    const report: BenchReport = {
      machine,
      caches: options.cold ? "cold" : "warm",
      rounds: options.rounds,
      results,
      goals: evaluateGoals(results),
    };
    await measureDaemons(report, all.small, folder, options);
    if (measurements.includes("memory")) {
      progress("memory: a daemon for each corpus");
      const { small, large, git, mix, million } = all;
      report.memory = await measureMemory([small, large, git, mix, million], folder);
      report.goals.push(...checkMemory(report.memory));
    }
    const output = options.json ? JSON.stringify(report, null, 2) : printReport(report);
    Deno.stdout.writeSync(new TextEncoder().encode(`${output}\n`));
    return 0;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main());
