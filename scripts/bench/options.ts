/** The benchmark's flags. */

export interface BenchOptions {
  quick: boolean;
  million: boolean;
  json: boolean;
  rounds: number;
  /** Names of corpora; all unless given. */
  only: string[] | undefined;
  /** Whether to measure how long calls take. */
  latency: boolean;
  /** Whether to measure what operations, logs, metrics and traces take. */
  overhead: boolean;
  /** Whether to measure many backups of tiny workspaces. */
  saves: boolean;
  /** Whether to measure starts on btrfs. */
  starts: boolean;
  /** Whether to measure starts from cached layers. */
  layers: boolean;
  /** Whether to measure backups and disposals on btrfs. */
  changes: boolean;
  /** Where to work; the system's temporary folder unless given. */
  folder: string | undefined;
}

export const USAGE = `Usage: deno task bench [options]

  --quick         a tenth of the size, one round
  --million       a million tiny files, too
  --only=A,B      only these: small, large, git, million, latency, overhead,
                  saves, starts, layers, changes
  --rounds=N      rounds to take medians of (default 3)
  --folder=DIR    work in a folder made there, on the disk to be measured
  --json          for machines`;

/** The options that `args` say, or what is wrong with them. */
export function parseArgs(args: readonly string[]): BenchOptions | string {
  const options: BenchOptions = {
    quick: false,
    million: false,
    json: false,
    rounds: args.includes("--quick") ? 1 : 3,
    only: undefined,
    latency: true,
    overhead: true,
    saves: true,
    starts: true,
    layers: true,
    changes: true,
    folder: undefined,
  };
  for (const arg of args) {
    const [flag, value] = arg.split("=", 2);
    if (arg === "--quick" || arg === "--million" || arg === "--json") {
      options[arg.slice(2) as "quick" | "million" | "json"] = true;
    } else if (flag === "--rounds" && /^[1-9]\d*$/.test(value ?? "")) {
      options.rounds = Number(value);
    } else if (flag === "--only" && value) {
      options.only = value.split(",");
      options.latency = options.only.includes("latency");
      options.overhead = options.only.includes("overhead");
      options.saves = options.only.includes("saves");
      options.starts = options.only.includes("starts");
      options.layers = options.only.includes("layers");
      options.changes = options.only.includes("changes");
      if (options.only.includes("million")) options.million = true;
    } else if (flag === "--folder" && value) {
      options.folder = value;
    } else {
      return `bench: cannot use ${arg}`;
    }
  }
  return options;
}
