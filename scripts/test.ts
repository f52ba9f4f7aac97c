/**
 * `deno task test [FLAG…] [PATH…]`: runs the tests in several processes of Deno, a few files each.
 * `deno test --parallel` would run all of them as threads of one process, whose memory each start of a
 * program (the tests run git thousands of times) then copies the page tables of: that took a sixth of
 * the CPU time of the tests of Git. Flags go to `deno test`; `DENO_JOBS` says how many processes there are at a time.
 * Prints what each process printed, what failed, and totals in the form of `deno test`.
 */

import { walk } from "@std/fs";
import { fromFileUrl, relative } from "@std/path";

const PROJECT = fromFileUrl(new URL("..", import.meta.url));
/** A process takes 0.4 s to start, and grows with each file. */
const FILES_A_PROCESS = 4;

/** Counts of one or several runs. */
export interface Totals {
  passed: number;
  steps: number;
  failed: number;
  ignored: number;
}

/** Returns what the last line of a run of `deno test` counts, or undefined where it has none. */
export function totalsOf(output: string): Totals | undefined {
  const lines = output.match(/^(?:ok|FAILED) \| \d+ passed.*$/gm);
  const line = lines?.at(-1);
  if (line === undefined) return undefined;
  const count = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0);
  return {
    passed: count("passed"),
    steps: Number(/passed \((\d+) step/.exec(line)?.[1] ?? 0),
    failed: count("failed"),
    ignored: count("ignored"),
  };
}

/** Returns the last line of `deno test` for these totals. */
export function totalsLine(totals: Totals, ok: boolean, seconds: number): string {
  return `${ok ? "ok" : "FAILED"} | ${totals.passed} passed (${totals.steps} steps) | ` +
    `${totals.failed} failed | ${totals.ignored} ignored (${seconds}s)`;
}

/** Divides files among processes: large files, which tend to take long, are spread and begin early. */
export function batchesOf(files: readonly { path: string; size: number }[]): string[][] {
  const sorted = files.toSorted((a, b) => b.size - a.size || (a.path < b.path ? -1 : 1));
  const batches: string[][] = Array.from(
    { length: Math.ceil(sorted.length / FILES_A_PROCESS) },
    () => [],
  );
  sorted.forEach(({ path }, n) => batches[n % batches.length]!.push(path));
  return batches;
}

const TESTS = { includeDirs: false, match: [/_test\.ts$/] };

/** Returns the files of tests in folders, and single files. @throws {Deno.errors.NotFound} */
async function filesOf(paths: readonly string[]): Promise<{ path: string; size: number }[]> {
  const found = new Map<string, number>();
  const add = (path: string) =>
    found.set(relative(PROJECT, Deno.realPathSync(path)), Deno.statSync(path).size);
  for (const path of paths) {
    if (Deno.statSync(path).isFile) add(path);
    else for await (const { path: file } of walk(path, TESTS)) add(file);
  }
  return [...found].map(([path, size]) => ({ path, size }));
}

async function runBatch(flags: readonly string[], files: readonly string[]) {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-prompt", "--no-check", ...flags, ...files],
    cwd: PROJECT,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { success, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

async function main(args: readonly string[]): Promise<boolean> {
  const start = performance.now();
  const flags = args.filter((arg) => arg.startsWith("-"));
  const paths = args.filter((arg) => !arg.startsWith("-"));
  const queue = batchesOf(await filesOf(paths.length > 0 ? paths : [`${PROJECT}/tests`]));
  const totals: Totals = { passed: 0, steps: 0, failed: 0, ignored: 0 };
  const failures: string[] = [];
  let ok = queue.length > 0;
  const work = async () => {
    for (let files = queue.shift(); files !== undefined; files = queue.shift()) {
      const { success, output } = await runBatch(flags, files);
      print(output);
      const counted = totalsOf(output);
      for (const key of Object.keys(totals) as (keyof Totals)[]) totals[key] += counted?.[key] ?? 0;
      if (success && counted !== undefined) continue;
      ok = false;
      failures.push(
        ...(output.match(/^.* \.\.\. FAILED.*$/gm) ?? [`a process of ${files} failed`]),
      );
    }
  };
  const jobs = Number(Deno.env.get("DENO_JOBS")) || navigator.hardwareConcurrency + 2;
  await Promise.all(Array.from({ length: jobs }, work));
  for (const failure of failures) print(`${failure}\n`);
  print(`\n${totalsLine(totals, ok, Math.round((performance.now() - start) / 1000))}\n`);
  return ok;
}

function print(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
}

if (import.meta.main) Deno.exit(await main(Deno.args) ? 0 : 1);
