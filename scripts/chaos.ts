/**
 * Chaos: `deno task chaos --seed S --minutes N [--store fs|s3] [--fs auto|dir|ext4|xfs|btrfs]
 * [--binary PATH]`.
 *
 * Several clients take workspaces through random lives on two real daemons that share a store, while
 * these are killed at random instants and at named steps, stopped, run out of disk and of power, lose
 * their store and their sources, and are collected beside. A model knows what each acknowledged answer
 * promised; in the end everything that was promised is restored and compared, every digest is
 * verified, and nothing may be left over. The plan of each client and of the faults is a function of
 * the seed; how they meet is the machine's. Exit 1, with the seed and where the evidence is kept, for
 * anything that was not kept.
 */

import { parseArgs } from "node:util";
import { canMountDisk, type DiskKind } from "../tests/e2e/disk.ts";
import { type Counts, runChaos, type RunOptions } from "./chaos/run.ts";

function parseOptions(args: string[]): Omit<RunOptions, "folder" | "log" | "signal"> {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: "string", default: String(crypto.getRandomValues(new Uint32Array(1))[0]) },
      minutes: { type: "string", default: "1" },
      store: { type: "string", default: "fs" },
      fs: { type: "string", default: "auto" },
      binary: { type: "string" },
    },
  });
  const seed = Number(values.seed);
  const minutes = Number(values.minutes);
  if (!Number.isSafeInteger(seed) || !(minutes > 0 && minutes <= 600)) {
    throw new TypeError("--seed must be a whole number, --minutes more than 0 and at most 600");
  }
  if (values.store !== "fs" && values.store !== "s3") {
    throw new TypeError(`--store must be fs or s3: current value is ${values.store}`);
  }
  if (!["auto", "dir", "ext4", "xfs", "btrfs"].includes(values.fs)) {
    throw new TypeError(
      `--fs must be auto, dir, ext4, xfs or btrfs: current value is ${values.fs}`,
    );
  }
  const best = () => canMountDisk("ext4") ? "ext4" : "dir";
  return {
    seed,
    minutes,
    store: values.store,
    fs: values.fs === "auto" ? best() : values.fs as "dir" | DiskKind,
    ...(values.binary === undefined ? {} : { binary: values.binary }),
  };
}

const encoder = new TextEncoder();

function say(line: string): void {
  Deno.stderr.writeSync(encoder.encode(`${line}\n`));
}

/** The run's trace, kept with the evidence. */
class Trace {
  readonly #file: Deno.FsFile;
  readonly #started = performance.now();

  constructor(readonly path: string) {
    this.#file = Deno.createSync(path);
  }

  readonly log = (line: string): void => {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(3);
    this.#file.writeSync(encoder.encode(`${seconds} ${line}\n`));
  };
}

function report(counts: Counts): void {
  for (const [key, count] of [...counts].toSorted()) say(`  ${count} × ${key}`);
  const sum = (pattern: RegExp) =>
    [...counts].reduce((total, [key, count]) => pattern.test(key) ? total + count : total, 0);
  const calls = sum(/^(?!fault|tree|collections)/);
  say(`chaos: ${calls} calls, ${sum(/^fault/)} faults, ${sum(/^tree/)} trees compared`);
}

async function main(): Promise<number> {
  const options = parseOptions(Deno.args);
  const { seed, minutes, store, fs, binary } = options;
  const folder = await Deno.makeTempDir({ prefix: "wsdaemon-chaos-" });
  const trace = new Trace(`${folder}.trace`);
  const how = `--store ${store} --fs ${fs}${binary === undefined ? "" : ` --binary ${binary}`}`;
  say(`chaos: --seed ${seed} --minutes ${minutes} ${how}`);
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interrupt.abort(new Error(`stopped by ${signal}`)));
  }
  try {
    report(await runChaos({ ...options, folder, log: trace.log, signal: interrupt.signal }));
    say("chaos: everything that was promised was kept");
    await Deno.remove(folder, { recursive: true });
    await Deno.remove(trace.path);
    return 0;
  } catch (error) {
    // With what was suppressed, since that may be the first failure.
    const failure = Deno.inspect(error, { colors: false });
    trace.log(`FAILED: ${failure}`);
    say(`chaos: FAILED: ${failure}`);
    say(`chaos: seed ${seed}; the trace is ${trace.path}, the nodes are in ${folder}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());
