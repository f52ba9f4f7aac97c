/** What an operation takes. */

import process from "node:process";
import { ProcessTree } from "./process_tree.ts";

export interface Measure {
  /** Seconds, until all of it is durable. */
  wall: number;
  /** Seconds until the tool ended, where it had to be made durable by a sync after it. */
  unsynced?: number;
  /** Seconds of processor time, of all threads and processes. */
  cpu: number;
  /** Greatest bytes of resident memory of all processes together; of ours, above idle. */
  memory: number;
}

const HIGH_WATER = /^VmHWM:\s+(\d+) kB/m;
const RESIDENT = /^VmRSS:\s+(\d+) kB/m;

function status(field: RegExp): number {
  return Number(field.exec(Deno.readTextFileSync("/proc/self/status"))![1]) * 1024;
}

/** Returns the bytes that are resident of this process now. */
export function residentHere(): number {
  return status(RESIDENT);
}

/**
 * Measures something that this process does.
 * @param idle bytes that were resident before it did anything; now unless given
 */
export async function measureHere(
  work: () => Promise<unknown>,
  idle: number = residentHere(),
): Promise<Measure> {
  // Makes the high-water mark start again from what is resident now (proc(5), clear_refs).
  Deno.writeTextFileSync("/proc/self/clear_refs", "5");
  const before = process.cpuUsage();
  const start = performance.now();
  await work();
  const wall = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { wall, cpu: (user + system) / 1e6, memory: Math.max(0, status(HIGH_WATER) - idle) };
}

export interface ShellOptions {
  cwd: string;
  env?: Record<string, string>;
}

/**
 * Measures a shell command with everything that it starts and waits for.
 * @throws {Error} where it fails, with what it said
 */
export async function measureShell(script: string, options: ShellOptions): Promise<Measure> {
  const report = Deno.makeTempFileSync();
  try {
    const start = performance.now();
    const child = new Deno.Command("bash", {
      ...options,
      args: ["-e", "-o", "pipefail", "-c", `${script}\ntimes > "$BENCH_TIMES"`],
      env: { ...options.env, BENCH_TIMES: report },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    using tree = new ProcessTree(child.pid);
    const { success, stderr } = await child.output();
    const wall = (performance.now() - start) / 1000;
    if (!success) throw new Error(`${script}: ${new TextDecoder().decode(stderr)}`);
    return { wall, cpu: parseTimes(Deno.readTextFileSync(report)), memory: tree.peak };
  } finally {
    Deno.removeSync(report);
  }
}

/**
 * Returns the seconds of user and system time that bash's `times` tells, of itself and of its
 * children, in the form `0m1.234s 0m0.567s`.
 */
export function parseTimes(text: string): number {
  let sum = 0;
  for (const [, minutes, seconds] of text.matchAll(/(\d+)m([\d.,]+)s/g)) {
    sum += Number(minutes) * 60 + Number(seconds!.replace(",", "."));
  }
  return sum;
}

/** Bytes that a file or folder takes. */
export function bytesIn(path: string): number {
  const info = Deno.lstatSync(path);
  if (!info.isDirectory) return info.size;
  let sum = 0;
  for (const { name } of Deno.readDirSync(path)) sum += bytesIn(`${path}/${name}`);
  return sum;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value that a share of all, 0 to 1, does not exceed ("nearest rank"). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

/** The median of several runs, and what was between. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Returns the median and the spread of values. */
export function spread(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/** What the runs of one operation took. */
export interface Summary {
  readonly wall: Spread;
  /** Absent where nothing was synced afterwards. */
  readonly unsynced?: Spread;
  readonly cpu: Spread;
  readonly memory: Spread;
}

/** Sums up the runs of one operation. */
export function summarize(measures: readonly Measure[]): Summary {
  const unsynced = measures.flatMap((measure) => measure.unsynced ?? []);
  return {
    wall: spread(measures.map(({ wall }) => wall)),
    ...(unsynced.length > 0 ? { unsynced: spread(unsynced) } : {}),
    cpu: spread(measures.map(({ cpu }) => cpu)),
    memory: spread(measures.map(({ memory }) => memory)),
  };
}
