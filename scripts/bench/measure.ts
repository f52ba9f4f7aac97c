/** What an operation takes. */

import process from "node:process";

export interface Measure {
  /** Seconds. */
  wall: number;
  /** Seconds of all threads and children; absent where the machine does not say. */
  cpu?: number;
  /** Bytes of resident memory above idle; absent where the machine does not say. */
  memory?: number;
}

const HIGH_WATER = /^VmHWM:\s+(\d+) kB/m;
const RESIDENT = /^VmRSS:\s+(\d+) kB/m;

function status(field: RegExp): number {
  return Number(field.exec(Deno.readTextFileSync("/proc/self/status"))![1]) * 1024;
}

/** Measures something that this process does. */
export async function measureHere(work: () => Promise<unknown>): Promise<Measure> {
  // Makes the high-water mark start again from what is resident now (proc(5), clear_refs).
  Deno.writeTextFileSync("/proc/self/clear_refs", "5");
  const idle = status(RESIDENT);
  const before = process.cpuUsage();
  const start = performance.now();
  await work();
  const wall = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { wall, cpu: (user + system) / 1e6, memory: Math.max(0, status(HIGH_WATER) - idle) };
}

const TIME = "/usr/bin/time";

function hasTime(): boolean {
  try {
    return Deno.statSync(TIME).isFile;
  } catch {
    return false;
  }
}

/** Measures a shell command. @throws {Error} where it fails, with what it said */
export async function measureShell(
  script: string,
  options: { cwd: string; env?: Record<string, string> },
): Promise<Measure> {
  const report = Deno.makeTempFileSync();
  try {
    const shell = ["bash", "-o", "pipefail", "-c", script];
    const command = hasTime() ? [TIME, "-f", "%U %S %M", "-o", report, ...shell] : shell;
    const start = performance.now();
    const { success, stderr } = await new Deno.Command(command[0]!, {
      ...options,
      args: command.slice(1),
      stdout: "null",
      stderr: "piped",
    }).output();
    const wall = (performance.now() - start) / 1000;
    if (!success) throw new Error(`${script}: ${new TextDecoder().decode(stderr)}`);
    if (!hasTime()) return { wall };
    const [user, system, kilobytes] = Deno.readTextFileSync(report).trim().split(" ").map(Number);
    return { wall, cpu: user! + system!, memory: kilobytes! * 1024 };
  } finally {
    Deno.removeSync(report);
  }
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
