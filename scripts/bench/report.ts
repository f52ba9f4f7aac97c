/** The results, for people. */

import { type Phase, PHASES } from "./contenders.ts";
import type { Measure } from "./measure.ts";

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
export function printTable(
  machine: string,
  rounds: number,
  results: readonly CorpusResult[],
): string {
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
  return lines.join("\n");
}

function align(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, n) => Math.max(...rows.map((row) => row[n]!.length)));
  return rows.map((row) =>
    row.map((cell, n) => n < 2 ? cell.padEnd(widths[n]!) : cell.padStart(widths[n]!)).join("  ")
  );
}
