/** A restored checkout, brought to its target. */

import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log.ts";
import { remoteConfig, splitConfig } from "./clone.ts";
import { appendConfig, type CheckoutFiles, sanitizeConfig } from "./sanitize_config.ts";
import { GitFailure } from "./failure.ts";
import type { CheckoutRequest } from "./request.ts";
import type { GitSession } from "./session.ts";
import { LOCAL_REPO_ENV, type SubmoduleOptions, updateSubmodules } from "./submodules.ts";
import { fetchUpstream, reachTarget } from "./target.ts";
import { gitEntry, joinPath } from "./tree_path.ts";

const log = logger("git");

/** Nothing is a repository here: for git commands that work on what they are given. */
const NO_REPO_ENV: Readonly<Record<string, string>> = { GIT_DIR: "/dev/null" };

/**
 * Brings the repository in the session's directory to its target. Local changes of tracked files are
 * stashed and applied again; where they do not fit, they stay in the stash alone.
 */
export async function updateCheckout(
  git: GitSession,
  request: CheckoutRequest,
  files: CheckoutFiles,
): Promise<void> {
  const { content, tree, location } = files;
  const entry = await gitEntry(content, tree, location);
  if (entry?.type !== "directory") {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `there is no Git repository of its own at ${JSON.stringify(location)}`,
    );
  }
  const folder = joinPath(location, ".git");
  const custom = splitConfig(request.config);
  const config = [...custom.safe, ...remoteConfig(request)];
  const { folders, restore: rearm } = await sanitizeConfig(
    git.withEnv(NO_REPO_ENV),
    files,
    folder,
    config,
  );
  const stashed = await stash(git.withEnv(LOCAL_REPO_ENV), location);
  await bringTo(git.withEnv(LOCAL_REPO_ENV), request, { ...files, folders });
  // Submodules may have used up the time, and the rest of the work is not worth less for that.
  const last = git.withSignal(AbortSignal.any([files.signal, AbortSignal.timeout(files.timeout)]));
  if (stashed) await unstash(last.withEnv(LOCAL_REPO_ENV), location);
  await rearm(last.withEnv(NO_REPO_ENV));
  await appendConfig(files, joinPath(folder, "config"), custom.deferred);
}

async function bringTo(
  git: GitSession,
  request: CheckoutRequest,
  options: Omit<SubmoduleOptions, "shallow">,
): Promise<void> {
  const { stdout } = await git.run(["rev-parse", "--is-shallow-repository"]);
  const isShallow = stdout.trim() === "true";
  if (isShallow && request.full) {
    await git.runRemote(["fetch", "--quiet", "--no-recurse-submodules", "--unshallow", "origin"]);
  }
  // A limited depth would cut the history that a whole repository has.
  const shallow = isShallow && !request.full;
  await reachTarget(git, request, { shallow, force: true, fresh: false });
  if (request.upstream) await fetchUpstream(git, shallow);
  await updateSubmodules(git, { ...options, shallow });
}

/** Puts local changes of tracked files away. @returns whether there are any to come back */
async function stash(git: GitSession, location: string): Promise<boolean> {
  const top = async () => {
    const args = ["rev-parse", "--quiet", "--verify", "refs/stash"];
    return (await git.run(args, { answers: [1, 128] })).stdout;
  };
  const hasCommit = await git.run(["rev-parse", "--quiet", "--verify", "HEAD"], {
    answers: [1, 128],
  });
  if (hasCommit.code !== 0) return false;
  if ((await git.run(["ls-files", "--unmerged"])).stdout !== "") {
    log.warn("Local changes at {location} are dropped: a merge there was not finished", {
      location,
    });
    await git.run(["reset", "--quiet", "--hard"]);
    return false;
  }
  const before = await top();
  await git.run(["stash", "push", "--quiet"]);
  return await top() !== before;
}

async function unstash(git: GitSession, location: string): Promise<void> {
  try {
    await git.run(["stash", "pop", "--quiet"]);
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    log.warn(
      "Local changes at {location} do not fit the clone target; they stay stashed: {reason}",
      {
        location,
        reason: messageOf(error),
      },
    );
    await git.run(["reset", "--quiet", "--hard"]);
  }
}
