/** The results, for people. */

import { type Phase, PHASES } from "./contenders.ts";
import { type ChangesResult, changesRows } from "./changes.ts";
import type { GoalResult } from "./goals.ts";
import type { LatencyResult } from "./latency.ts";
import type { Measure } from "./measure.ts";
import type { SavesResult } from "./saves.ts";
import { type OverheadResult, overheadRows } from "./overhead.ts";
import { layerStartRows, type LayerStartsResult } from "./layer_starts.ts";
import { startRows, type StartsResult } from "./starts.ts";

export interface ContenderResult {
  name: string;
  /** Bytes stored after the first backup and after the one with 1% changed. */
  stored: { first: number; changed: number };
  phases: Partial<Record<Phase, Measure>>;
}

export interface CorpusResult {
  corpus: string;
  description: string;
  contenders: ContenderResult[];
}

export interface BenchReport {
  machine: string;
  /** How many each median is of. */
  rounds: number;
  results: CorpusResult[];
  goals: GoalResult[];
  latency?: LatencyResult;
  overhead?: OverheadResult;
  saves?: SavesResult;
  /** Absent where no btrfs can be mounted. */
  starts?: StartsResult;
  /** Absent where they were not measured. */
  layers?: LayerStartsResult;
  /** Absent where no btrfs can be mounted. */
  changes?: ChangesResult;
}

/** What the numbers were measured on. */
export function machine(cores: number): string {
  const model = /^model name\s*:\s*(.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1];
  const { osRelease, systemMemoryInfo } = Deno;
  const memory = Math.round(systemMemoryInfo().total / 2 ** 30);
  return `${cores} cores (${model ?? Deno.build.arch}), ${memory} GiB, Linux ${osRelease()}, ` +
    `Deno ${Deno.version.deno}`;
}

const seconds = (value: number | undefined) => value === undefined ? "" : value.toFixed(2);
const mebibytes = (value: number | undefined) =>
  value === undefined ? "" : String(Math.round(value / 2 ** 20));

function rowOf(result: ContenderResult, phase: Phase, reference: Measure | undefined): string[] {
  const measure = result.phases[phase]!;
  const stored = phase === "first" || phase === "changed" ? result.stored[phase] : undefined;
  return [
    phase,
    result.name,
    seconds(measure.wall),
    reference ? (measure.wall / reference.wall).toFixed(2) : "",
    seconds(measure.cpu),
    mebibytes(measure.memory),
    mebibytes(stored),
  ];
}

/** Aligned text; ratios are to `tar | zstd`, whose every backup is a first one. */
export function printReport(
  report: BenchReport,
): string {
  const { machine, rounds, results, goals, latency, overhead, saves, starts, layers, changes } =
    report;
  const head = ["phase", "tool", "wall s", "ratio", "cpu s", "peak MiB", "stored MiB"];
  const lines = [`${machine}; medians of ${rounds}; ratio: wall time to tar-zstd's`];
  for (const { corpus, description, contenders } of results) {
    const tar = contenders.find(({ name }) => name === "tar-zstd");
    const rows = PHASES.flatMap((phase) =>
      contenders.filter(({ phases }) => phases[phase]).map((result) =>
        rowOf(result, phase, tar?.phases[phase === "restore" ? "restore" : "first"])
      )
    );
    lines.push("", `${corpus}: ${description}`, ...align([head, ...rows]));
  }
  if (goals.length > 0) lines.push("", ...goalLines(goals));
  if (latency) lines.push("", ...latencyLines(latency));
  if (overhead) lines.push("", ...align(overheadRows(overhead)));
  if (saves) lines.push("", ...savesLines(saves));
  if (starts) lines.push("", ...align(startRows(starts)));
  if (layers) lines.push("", ...align(layerStartRows(layers)));
  if (changes) lines.push("", ...align(changesRows(changes)));
  return lines.join("\n");
}

function goalLines(goals: readonly GoalResult[]): string[] {
  const rows = goals.map(({ corpus, goal, value, bound, sense, met }) => [
    corpus,
    goal,
    value.toFixed(2),
    `${sense} ${bound}`,
    met ? "met" : "MISSED",
  ]);
  return align([["corpus", "goal", "measured", "wanted", ""], ...rows]);
}

function latencyLines({ idle, busy, beside }: LatencyResult): string[] {
  const rows = Object.entries({
    idle,
    "beside a first backup": busy,
    "50 a second beside two": beside,
  }).map(([when, { calls, p50, p99 }]) => [when, String(calls), p50.toFixed(2), p99.toFixed(2)]);
  return align([["IsWorkspaceExists", "calls", "p50 ms", "p99 ms"], ...rows]);
}

function savesLines({ count, each, idle, resident }: SavesResult): string[] {
  const most = Math.max(...resident) - idle;
  const row = ["tiny workspace", String(count), each.toFixed(2), mebibytes(idle), mebibytes(most)];
  return align([["backup of a", "backups", "ms each", "idle MiB", "most above idle"], row]);
}

function align(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, n) => Math.max(...rows.map((row) => row[n]!.length)));
  return rows.map((row) =>
    row.map((cell, n) => n < 2 ? cell.padEnd(widths[n]!) : cell.padStart(widths[n]!)).join("  ")
  );
}
