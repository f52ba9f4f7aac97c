/** Says what a binary is made of, from Git. */

import { fromFileUrl } from "@std/path";
import type { Build } from "../../src/program_files.ts";

const PROJECT = fromFileUrl(new URL("../../", import.meta.url));

/**
 * Returns the commit that is checked out, with what says that more has changed, and when it was made;
 * where SOURCE_DATE_EPOCH is set, that is the date. "unknown" without Git.
 */
export async function buildRecord(): Promise<Build> {
  const revision = await git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*");
  const seconds = Deno.env.get("SOURCE_DATE_EPOCH") ?? await git("log", "-1", "--format=%ct");
  return {
    revision: revision ?? "unknown",
    ...(seconds === undefined ? {} : { date: isoDate(seconds) }),
  };
}

function isoDate(seconds: string): string {
  if (!/^\d{1,11}$/.test(seconds)) {
    throw new Error(`SOURCE_DATE_EPOCH must be seconds since the epoch, and is ${seconds}`);
  }
  return new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "Z");
}

/** Returns what Git prints; `undefined` where there is no Git, or no repository. */
async function git(...args: string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command("git", {
      args,
      cwd: PROJECT,
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
