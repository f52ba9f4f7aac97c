/** The programs of btrfs-progs and util-linux that a pool is made with. */

import { DaemonError } from "../errors.ts";

/** Where they are for an administrator, whose shell may not look there. */
const FOLDERS = ["", "/usr/sbin/", "/sbin/"] as const;

/** Debian's packages that have them. */
const PACKAGES = {
  "mkfs.btrfs": "btrfs-progs",
  btrfs: "btrfs-progs",
  losetup: "util-linux",
} as const;

/** One of the programs. */
export type PoolProgram = keyof typeof PACKAGES;

/**
 * Runs a program to its end.
 * @throws {DaemonError} FAILED_PRECONDITION where it is missing, or with what it says where it fails
 */
export async function runProgram(program: PoolProgram, ...args: string[]): Promise<void> {
  const { success, stderr } = await output(program, args);
  if (success) return;
  const said = new TextDecoder().decode(stderr).trim().replaceAll(/\s*\n\s*/g, "; ");
  throw new DaemonError("FAILED_PRECONDITION", `${program} ${args.join(" ")} failed: ${said}`);
}

/** Checks that a program is there. @throws {DaemonError} FAILED_PRECONDITION */
export async function requireProgram(program: PoolProgram): Promise<void> {
  await output(program, ["--version"]);
}

async function output(program: PoolProgram, args: string[]): Promise<Deno.CommandOutput> {
  for (const folder of FOLDERS) {
    try {
      const command = new Deno.Command(`${folder}${program}`, {
        args,
        env: { LC_ALL: "C" },
        stdin: "null",
      });
      return await command.output();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `There is no ${program} on this machine: install ${PACKAGES[program]}`,
  );
}
