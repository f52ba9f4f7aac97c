/** The benchmark's flags. */

import { CORPUS_NAMES } from "./corpora.ts";
import { PHASES, TOOL_NAMES } from "./contenders.ts";

/** What is measured of whole daemons, besides the corpora. */
export const MEASUREMENTS = [
  "latency",
  "crowd",
  "overhead",
  "saves",
  "memory",
  "starts",
  "layers",
  "network",
  "changes",
  "chunks",
] as const;
export type Measurement = typeof MEASUREMENTS[number];

/** Corpora that are measured only where they are named. */
const ON_REQUEST: readonly string[] = ["million", "huge"];

export interface BenchOptions {
  readonly quick: boolean;
  readonly json: boolean;
  /** Whether the page cache is emptied before each run, instead of filled. */
  readonly cold: boolean;
  readonly rounds: number;
  /** Names of corpora, of {@link MEASUREMENTS}, of tools, and of rows, all that are wanted. */
  readonly corpora: readonly string[];
  readonly measurements: readonly Measurement[];
  readonly tools: readonly string[];
  readonly rows: readonly string[];
  /** Where to work; the system's temporary folder unless given. */
  readonly folder: string | undefined;
}

export const USAGE = `Usage: deno task bench [options]

  --only=A,B      only these corpora: ${CORPUS_NAMES.join(", ")};
                  measurements: ${MEASUREMENTS.join(", ")};
                  tools: ${TOOL_NAMES.join(", ")};
                  rows: ${PHASES.join(", ")}.
                  Tools and rows of which none is named are all measured.
                  ${ON_REQUEST.join(" and ")} have to be named.
  --rounds=N      rounds to take medians of (default 3)
  --quick         a tenth of the size, one round
  --cold          empty the page cache before each run, which takes root;
                  otherwise everything that is read is in it
  --folder=DIR    work in a folder made there, on the disk to be measured
  --json          for machines`;

/** Returns the options that `args` say, or what is wrong with them. */
export function parseArgs(args: readonly string[]): BenchOptions | string {
  let only: readonly string[] = [];
  let rounds = args.includes("--quick") ? 1 : 3;
  let folder: string | undefined;
  for (const arg of args) {
    const [flag, value] = arg.split("=", 2);
    if (arg === "--quick" || arg === "--cold" || arg === "--json") continue;
    if (flag === "--rounds" && /^[1-9]\d*$/.test(value ?? "")) rounds = Number(value);
    else if (flag === "--only" && value) only = [...only, ...value.split(",")];
    else if (flag === "--folder" && value) folder = value;
    else return `bench: cannot use ${arg}`;
  }
  const of = <T extends string>(names: readonly T[]) => names.filter((name) => only.includes(name));
  const [corpora, measurements] = [of(CORPUS_NAMES), of(MEASUREMENTS)];
  const [tools, rows] = [of(TOOL_NAMES), of(PHASES)];
  const known: readonly string[] = [...corpora, ...measurements, ...tools, ...rows];
  const unknown = only.find((name) => !known.includes(name));
  if (unknown !== undefined) return `bench: nothing is named ${unknown}`;
  const isWhole = corpora.length === 0 && measurements.length === 0;
  // Whoever names a tool or a row asks for corpora: the measurements know neither.
  const hasMeasurements = isWhole && tools.length === 0 && rows.length === 0;
  return {
    quick: args.includes("--quick"),
    cold: args.includes("--cold"),
    json: args.includes("--json"),
    rounds,
    corpora: isWhole ? CORPUS_NAMES.filter((name) => !ON_REQUEST.includes(name)) : corpora,
    measurements: hasMeasurements ? MEASUREMENTS : measurements,
    tools: tools.length > 0 ? tools : TOOL_NAMES,
    rows: rows.length > 0 ? rows : PHASES,
    folder,
  };
}
