/** The results, for people. */

import { type Phase, PHASES } from "./contenders.ts";
import { type ChangesResult, changesRows } from "./changes.ts";
import { type ChunksResult, chunksRows } from "./chunks.ts";
import { type CrowdResult, crowdRows } from "./crowd.ts";
import type { GoalResult } from "./goals.ts";
import type { LatencyResult } from "./latency.ts";
import { type Machine, machineLine } from "./machine.ts";
import type { Spread, Summary } from "./measure.ts";
import { type CorpusMemory, memoryRows } from "./memory.ts";
import type { SavesResult } from "./saves.ts";
import { type OverheadResult, overheadRows } from "./overhead.ts";
import { layerStartRows, type LayerStartsResult } from "./layer_starts.ts";
import { networkRestoreRows, type NetworkRestoresResult } from "./network_restores.ts";
import { startRows, type StartsResult } from "./starts.ts";

export interface ContenderResult {
  name: string;
  /** Bytes stored after the first backup and after the one with 1% changed. */
  stored: { first: number; changed: number };
  phases: Partial<Record<Phase, Summary>>;
}

export interface CorpusResult {
  corpus: string;
  description: string;
  contenders: ContenderResult[];
}

export interface BenchReport {
  machine: Machine;
  /** What a run found in the page cache. */
  caches: "warm" | "cold";
  /** How many each median is of. */
  rounds: number;
  results: CorpusResult[];
  goals: GoalResult[];
  latency?: LatencyResult;
  crowd?: CrowdResult;
  overhead?: OverheadResult;
  saves?: SavesResult;
  memory?: CorpusMemory[];
  /** Absent where no btrfs can be mounted. */
  starts?: StartsResult;
  /** Absent where they were not measured. */
  layers?: LayerStartsResult;
  /** Absent where they were not measured. */
  network?: NetworkRestoresResult;
  /** Absent where no btrfs can be mounted. */
  changes?: ChangesResult;
  chunks?: ChunksResult;
}

const seconds = (value: number | undefined) => value === undefined ? "" : value.toFixed(2);
const mebibytes = (value: number | undefined) =>
  value === undefined ? "" : String(Math.round(value / 2 ** 20));
const range = ({ least, most }: Spread) => `${least.toFixed(2)}–${most.toFixed(2)}`;

/** A row of what a tool took until all was durable, and one of what it took without its sync. */
function rowsOf(
  { name, phases, stored }: ContenderResult,
  phase: Phase,
  reference: Summary | undefined,
): string[][] {
  const { wall, unsynced, cpu, memory } = phases[phase]!;
  const bytes = phase === "first" || phase === "changed" ? stored[phase] : undefined;
  const row = (tool: string, taken: Spread, of: Spread | undefined) => [
    phase,
    tool,
    seconds(taken.median),
    range(taken),
    of ? (taken.median / of.median).toFixed(2) : "",
  ];
  const all = [
    ...row(name, wall, reference?.wall),
    seconds(cpu.median),
    mebibytes(memory.most),
    mebibytes(bytes),
  ];
  if (!unsynced) return [all];
  return [all, [...row(`${name}, before its sync`, unsynced, reference?.unsynced), "", "", ""]];
}

/** Aligned text; ratios are to `tar | zstd`, whose every backup is a first one. */
export function printReport(
  report: BenchReport,
): string {
  const {
    machine,
    caches,
    rounds,
    results,
    goals,
    latency,
    crowd,
    overhead,
    saves,
    memory,
    starts,
    layers,
    network,
    changes,
    chunks,
  } = report;
  const head = ["row", "tool", "wall s", "from–to", "ratio", "cpu s", "peak MiB", "stored MiB"];
  const lines = [
    machineLine(machine),
    `medians of ${rounds}, ${caches} caches; ratio: wall time to tar-zstd's of the same kind`,
  ];
  for (const { corpus, description, contenders } of results) {
    const tar = contenders.find(({ name }) => name === "tar-zstd");
    const rows = PHASES.flatMap((phase) =>
      contenders.filter(({ phases }) => phases[phase]).flatMap((result) =>
        rowsOf(result, phase, tar?.phases[phase] ?? tar?.phases.first)
      )
    );
    lines.push("", `${corpus}: ${description}`, ...align([head, ...rows]));
  }
  if (goals.length > 0) lines.push("", ...goalLines(goals));
  if (latency) lines.push("", ...latencyLines(latency));
  if (crowd) lines.push("", ...align(crowdRows(crowd)));
  if (overhead) lines.push("", ...align(overheadRows(overhead)));
  if (saves) lines.push("", ...savesLines(saves));
  if (memory) lines.push("", ...align(memoryRows(memory)));
  if (starts) lines.push("", ...align(startRows(starts)));
  if (layers) lines.push("", ...align(layerStartRows(layers)));
  if (network) lines.push("", ...align(networkRestoreRows(network)));
  if (changes) lines.push("", ...align(changesRows(changes)));
  if (chunks) lines.push("", ...align(chunksRows(chunks)));
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
