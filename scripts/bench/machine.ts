/** What the numbers were measured on. */

import { loadavg } from "node:os";

export interface Machine {
  readonly cores: number;
  readonly processor: string;
  /** Bytes. */
  readonly memory: number;
  readonly kernel: string;
  readonly deno: string;
  /** The file system of the trees and stores. */
  readonly fileSystem: string;
  /** Processes that ran or waited for the disk, on average of the minute before. */
  readonly load: number;
  /** The first line of what `--version` of each says. */
  readonly tools: Readonly<Record<string, string>>;
}

const PROGRAMS = { tar: "--version", zstd: "--version", restic: "version", borg: "--version" };

/** Describes this machine, and the disk of `folder`. */
export function describeMachine(folder: string): Machine {
  const model = /^model name\s*:\s*(.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1];
  return {
    cores: navigator.hardwareConcurrency,
    processor: model ?? Deno.build.arch,
    memory: Deno.systemMemoryInfo().total,
    kernel: Deno.osRelease(),
    deno: Deno.version.deno,
    fileSystem: output("df", ["--output=fstype", folder])?.split("\n")[1] ?? "unknown",
    load: loadavg()[0]!,
    tools: Object.fromEntries(
      Object.entries(PROGRAMS).flatMap(([name, flag]) => {
        const version = output(name, [flag]);
        return version === undefined ? [] : [[name, version.split("\n")[0]!]];
      }),
    ),
  };
}

/** Says the same in a line. */
export function machineLine({ cores, processor, memory, kernel, deno, fileSystem, load }: Machine) {
  return `${cores} cores (${processor}), ${Math.round(memory / 2 ** 30)} GiB, Linux ${kernel}, ` +
    `${fileSystem}, Deno ${deno}, load ${load.toFixed(1)}`;
}

/** Returns what a program says; `undefined` where it is not installed, or fails. */
function output(program: string, args: string[]): string | undefined {
  try {
    const { success, stdout } = new Deno.Command(program, { args, stderr: "null" }).outputSync();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
