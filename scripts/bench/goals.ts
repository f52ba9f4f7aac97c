/** What we set ourselves, beside what was measured. */

import type { Phase } from "./contenders.ts";
import type { Measure } from "./measure.ts";
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
  /** Corpora that it is not for. */
  except?: readonly string[];
  measure(ours: ContenderResult, others: readonly ContenderResult[]): number | undefined;
};

const ratio =
  (phase: Phase, other: string, otherPhase: Phase = phase): Goal["measure"] => (ours, others) => {
    const mine = ours.phases[phase];
    const theirs: Measure | undefined = others.find(({ name }) => name === other)
      ?.phases[otherPhase];
    return mine && theirs && mine.wall / theirs.wall;
  };

const inverse = (measure: Goal["measure"]): Goal["measure"] => (ours, others) => {
  const value = measure(ours, others);
  return value && 1 / value;
};

const GOALS: readonly Goal[] = [
  {
    goal: "first backup, of tar | zstd -1",
    bound: 0.85,
    sense: "at most",
    measure: ratio("first", "tar-zstd"),
  },
  {
    goal: "first backup, of tar | zstd -1 with both digests",
    bound: 0.65,
    sense: "at most",
    measure: ratio("first", "tar-zstd-sha256"),
  },
  {
    goal: "restore, of zstd -d | tar -x",
    bound: 0.8,
    sense: "at most",
    measure: ratio("restore", "tar-zstd"),
  },
  {
    goal: "backup of 1% changed, times faster than restic",
    // One of its eight files is no 1%.
    except: ["large"],
    bound: 10,
    sense: "at least",
    measure: inverse(ratio("changed", "restic")),
  },
  {
    goal: "first backup, MiB above idle",
    bound: 300,
    sense: "at most",
    measure: ({ phases: { first } }) => first?.memory && first.memory / 2 ** 20,
  },
];

/** Evaluates every goal for which the tools that it needs are here. */
export function evaluateGoals(results: readonly CorpusResult[]): GoalResult[] {
  return results.flatMap(({ corpus, contenders }) => {
    const ours = contenders.find(({ name }) => name === "wsdaemon");
    if (!ours) return [];
    return GOALS.flatMap(({ measure, except, ...goal }) => {
      if (except?.includes(corpus)) return [];
      const value = measure(ours, contenders);
      if (value === undefined) return [];
      const met = goal.sense === "at most" ? value <= goal.bound : value >= goal.bound;
      return [{ corpus, ...goal, value, met }];
    });
  });
}
