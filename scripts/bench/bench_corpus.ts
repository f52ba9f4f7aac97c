/** Measures all contenders with one corpus. */

import type { AsideFolder } from "./aside_folder.ts";
import { type Contender, type Phase, PHASES } from "./contenders.ts";
import { type Corpus, editSome } from "./corpora.ts";
import { makeCorpus } from "./make_corpus.ts";
import { type Measure, summarize } from "./measure.ts";
import type { CorpusResult } from "./report.ts";

export interface CorpusOptions {
  readonly rounds: number;
  /** What is measured of {@link PHASES}. */
  readonly rows: readonly string[];
  readonly cold: boolean;
  /** Whether the corpus is a tenth of its size. */
  readonly quick: boolean;
  readonly aside: AsideFolder;
  /** Told what was measured, in a line. */
  progress(line: string): void;
}

/**
 * Has the disk catch up, so that nobody waits for what another has written, and everybody find the same in
 * the page cache: nothing, or all that there is to read.
 */
async function settle(cold: boolean, paths: readonly string[]): Promise<void> {
  const script = cold
    ? `sync; echo 3 > /proc/sys/vm/drop_caches`
    : `sync; find "$@" -type f -print0 | xargs -0 cat > /dev/null`;
  const args = ["-c", script, "sh", ...paths];
  const { success, stderr } = await new Deno.Command("sh", { args }).output();
  if (!success) throw new Error(`cannot settle: ${new TextDecoder().decode(stderr)}`);
}

/** Returns who comes first, second and so on, so that over the rounds everybody comes first equally often. */
export function inTurn<T>(all: readonly T[], turn: number): T[] {
  const first = turn % all.length;
  return [...all.slice(first), ...all.slice(0, first)];
}

/**
 * Returns what has to be done to measure the wanted rows: without a first backup there is nothing to
 * restore, and nothing that changed.
 */
export function phasesFor(rows: readonly string[]): Phase[] {
  return PHASES.filter((phase) => phase === "first" || rows.includes(phase));
}

/**
 * Makes the corpus at `path`, measures, and takes it away again.
 */
export async function benchCorpus(
  corpus: Corpus,
  path: string,
  contenders: readonly Contender[],
  options: CorpusOptions,
): Promise<CorpusResult> {
  const { rounds, rows, cold, aside, progress } = options;
  progress(`${corpus.name}: making ${corpus.description}`);
  await makeCorpus(corpus.name, path, options.quick);
  const samples = new Map<string, Measure[]>();
  const stored = new Map<string, { first: number; changed: number }>();
  const phases = phasesFor(rows);
  const runPhase = async (phase: Phase, turn: number) => {
    for (const contender of inTurn(contenders, turn)) {
      if (!contender.phases.includes(phase)) continue;
      const isRestore = phase === "restore" || phase === "restore-again";
      await settle(cold, isRestore ? [contender.store] : [path]);
      const measure = await contender.run(phase);
      const key = `${contender.name} ${phase}`;
      samples.set(key, [...(samples.get(key) ?? []), measure]);
      progress(`${corpus.name}: ${key} ${measure.wall.toFixed(2)} s`);
    }
  };
  await warmUp(contenders, path);
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) await contender.begin(path);
    for (const [n, phase] of phases.entries()) {
      if (phase === "changed") editSome(path, round);
      await runPhase(phase, round + n);
      for (const one of contenders) {
        if (phase === "first") stored.set(one.name, { first: one.stored(), changed: one.stored() });
        else if (phase === "changed") stored.get(one.name)!.changed = one.stored();
      }
    }
  }
  for (const contender of contenders) await contender.clear();
  await aside.take(path);
  return {
    corpus: corpus.name,
    description: corpus.description,
    contenders: contenders.map(({ name }) => ({
      name,
      stored: stored.get(name)!,
      phases: Object.fromEntries(
        phases.filter((phase) => rows.includes(phase)).flatMap((phase) => {
          const measures = samples.get(`${name} ${phase}`);
          return measures ? [[phase, summarize(measures)]] : [];
        }),
      ),
    })),
  };
}

/** Has everybody do it once for nothing, so that all find caches and compiled code alike. */
async function warmUp(contenders: readonly Contender[], path: string): Promise<void> {
  for (const contender of contenders) {
    await contender.begin(path);
    await contender.run("first");
  }
}
