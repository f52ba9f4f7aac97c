/** Finds the programs that the daemon runs, once at the start. */

import { isAbsolute, join } from "@std/path";
import { reasonOf } from "../errors.ts";
import { type FoundGit, gitEnvironment } from "../git/mod.ts";

/** A program and where it is. */
export interface Program {
  path: string;
  version: string;
}

/** A home without any config. */
const NO_HOME = "/nonexistent";

/** Oldest Git with the options that our calls rely on. */
const MINIMUM_GIT = [2, 30] as const;

/** Looks for a usable Git in the folders of `searchPath` (as `PATH` has them). */
export async function findGit(searchPath: string): Promise<FoundGit> {
  const path = findProgram("git", searchPath);
  if (path === undefined) return { problem: "git is not on PATH; install Git 2.30 or newer" };
  let version: string;
  try {
    version = await gitVersion(path);
  } catch (error) {
    return { problem: `${path} cannot be started: ${reasonOf(error)}` };
  }
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [wantMajor, wantMinor] = MINIMUM_GIT;
  if (major < wantMajor || (major === wantMajor && minor < wantMinor)) {
    return { problem: `${path} is version ${version || "unknown"}; install Git 2.30 or newer` };
  }
  return { git: { path, version } };
}

/** Returns the absolute path of an executable file; `undefined` where there is none. */
export function findProgram(name: string, searchPath: string): string | undefined {
  return searchPath.split(":").filter(isAbsolute).map((folder) => join(folder, name)).find(
    (path) => {
      try {
        const { isFile, mode } = Deno.statSync(path);
        return isFile && ((mode ?? 0) & 0o111) !== 0;
      } catch {
        return false;
      }
    },
  );
}

/**
 * Asks git without our environment: its `GIT_*` variables and the config of the user whom we run as
 * can make even `git --version` write to files (`GIT_TRACE`, `trace2.*`).
 */
async function gitVersion(path: string): Promise<string> {
  const { stdout } = await new Deno.Command(path, {
    args: ["--version"],
    cwd: "/",
    clearEnv: true,
    env: gitEnvironment({ program: path, home: NO_HOME, protocols: [] }),
    stdin: "null",
    stderr: "null",
  }).output();
  return /(\d+\.\d+(?:\.\d+)*)/.exec(new TextDecoder().decode(stdout))?.[1] ?? "";
}
