/** What we set ourselves, beside what was measured. */

import type { Phase } from "./contenders.ts";
import type { ContenderResult, CorpusResult } from "./report.ts";

export interface GoalResult {
  corpus: string;
  /** What is compared, in words. */
  goal: string;
  value: number;
  /** The bound: `value` is to be at most, or at least, this. */
  bound: number;
  sense: "at most" | "at least";
  met: boolean;
}

type Goal = Pick<GoalResult, "goal" | "bound" | "sense"> & {
  /** Corpora that it is for; all unless given. */
  only?: readonly string[];
  /** Corpora that it is not for. */
  except?: readonly string[];
  measure(ours: ContenderResult, others: readonly ContenderResult[]): number | undefined;
};

const ratio = (phase: Phase, other: string): Goal["measure"] => (ours, others) => {
  const mine = ours.phases[phase];
  const theirs = others.find(({ name }) => name === other)?.phases[phase];
  return mine && theirs && mine.wall.median / theirs.wall.median;
};

const inverse = (measure: Goal["measure"]): Goal["measure"] => (ours, others) => {
  const value = measure(ours, others);
  return value && 1 / value;
};

const GOALS: readonly Goal[] = [
  {
    goal: "first backup, of durable tar | zstd -1",
    only: ["small", "mix", "git"],
    bound: 0.9,
    sense: "at most",
    measure: ratio("first", "tar-zstd"),
  },
  {
    goal: "first backup, of durable tar | zstd -1",
    only: ["large"],
    bound: 0.8,
    sense: "at most",
    measure: ratio("first", "tar-zstd"),
  },
  {
    goal: "first backup, of durable tar | zstd -1 with both digests",
    only: ["small", "mix", "git"],
    bound: 0.6,
    sense: "at most",
    measure: ratio("first", "tar-zstd-sha256"),
  },
  {
    goal: "stored by a first backup, of tar | zstd -1",
    bound: 1.02,
    sense: "at most",
    measure: ({ stored: { first } }, others) => {
      const tar = others.find(({ name }) => name === "tar-zstd");
      return tar && first / tar.stored.first;
    },
  },
  {
    goal: "restore, of durable zstd -d | tar -x",
    bound: 0.75,
    sense: "at most",
    measure: ratio("restore", "tar-zstd"),
  },
  {
    goal: "backup of 1% changed, times faster than restic",
    // One of eight files is no 1%.
    except: ["large", "huge"],
    bound: 12,
    sense: "at least",
    measure: inverse(ratio("changed", "restic")),
  },
  {
    goal: "backup of nothing changed, times faster than restic",
    bound: 10,
    sense: "at least",
    measure: inverse(ratio("nothing", "restic")),
  },
  {
    goal: "first backup, MiB above idle",
    bound: 150,
    sense: "at most",
    measure: ({ phases: { first } }) => first && first.memory.most / MIB,
  },
];

const MIB = 2 ** 20;

/** Evaluates every goal for which the tools that it needs are here. */
export function evaluateGoals(results: readonly CorpusResult[]): GoalResult[] {
  return results.flatMap(({ corpus, contenders }) => {
    const ours = contenders.find(({ name }) => name === "wsdaemon");
    if (!ours) return [];
    return GOALS.flatMap(({ measure, only, except, ...goal }) => {
      if (except?.includes(corpus) || only?.includes(corpus) === false) return [];
      const value = measure(ours, contenders);
      if (value === undefined) return [];
      const met = goal.sense === "at most" ? value <= goal.bound : value >= goal.bound;
      return [{ corpus, ...goal, value, met }];
    });
  });
}
