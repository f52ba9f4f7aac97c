import type { Tree } from "../content/mod.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { LOCAL_REPO_ENV, NO_REPO_ENV } from "./git_environment.ts";
import { remoteConfig, splitConfig } from "./clone_into.ts";
import { appendConfig, type CheckoutFiles, sanitizeConfig } from "./sanitize_config.ts";
import { type ClearedTarget, clearTarget } from "./clear_target.ts";
import { keepTips, localTips } from "./local_refs.ts";
import type { CheckoutRequest } from "./checkout_request.ts";
import type { GitSession } from "./git_session.ts";
import { type SubmoduleOptions, updateSubmodules } from "./update_submodules.ts";
import { type Destination, fetchUpstream, reachTarget } from "./reach_target.ts";
import { gitEntry, joinPath } from "./tree_path.ts";

const log = logger("git");

/** A checkout, and a staging tree for what is to be deleted. */
export interface UpdateFiles extends CheckoutFiles {
  discarded: Tree;
}

/**
 * Updates the repository in the session's directory to its target, keeping local work; see
 * `local_work.ts`. Where it fails, the working tree is as it was.
 * @throws {DaemonError} FAILED_PRECONDITION where git fails or there is no repository
 */
export async function updateCheckout(
  git: GitSession,
  request: CheckoutRequest,
  files: UpdateFiles,
): Promise<void> {
  const { content, tree, location } = files;
  const entry = await gitEntry(content, tree, location);
  if (entry?.type !== "directory") {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `there is no Git repository of its own at ${JSON.stringify(location)}`,
      { reason: "CONTENT_CONFLICT" },
    );
  }
  const folder = joinPath(location, ".git");
  const custom = splitConfig(request.config);
  const config = [...custom.safe, ...remoteConfig(request)];
  const { folders, restore } = await sanitizeConfig(
    git.withEnv(NO_REPO_ENV),
    files,
    folder,
    config,
  );
  // Submodules may use up the time limit; what follows them gets one of its own.
  const last = () =>
    git.withSignal(AbortSignal.any([files.signal, AbortSignal.timeout(files.timeout)]));
  try {
    await bringTo(git.withEnv(LOCAL_REPO_ENV), last, request, { ...files, folders });
  } catch (error) {
    await restore(last().withEnv(NO_REPO_ENV)).catch((failure) => {
      const reason = messageOf(failure);
      log.warn("The config of {folder} stays sanitized: {reason}", { folder, reason });
    });
    throw error;
  }
  await restore(last().withEnv(NO_REPO_ENV));
  await appendConfig(files, joinPath(folder, "config"), custom.deferred);
}

/** Fetches and checks out the target, brings local work back, and updates submodules. */
async function bringTo(
  git: GitSession,
  last: () => GitSession,
  request: CheckoutRequest,
  options: UpdateFiles & Omit<SubmoduleOptions, "shallow">,
): Promise<void> {
  const { stdout } = await git.run(["rev-parse", "--is-shallow-repository"]);
  const isShallow = stdout.trim() === "true";
  const branch = request.mode === "REMOTE_BRANCH" || request.mode === "LOCAL_BRANCH"
    ? request.target
    : undefined;
  const stamp = newStamp();
  const before = await localTips(git, options, branch);
  if (isShallow && request.full) {
    await git.runRemote(
      ["fetch", "--quiet", "--force", "--no-recurse-submodules", "--unshallow", "origin"],
    );
  }
  // Fetching with a limited depth would cut the history that a whole repository has.
  const shallow = isShallow && !request.full;
  let cleared: ClearedTarget | undefined;
  const prepare = async (destination: Destination) => {
    const branchTips = await localTips(git, options, destination.branch);
    before.push(...branchTips.filter(({ name }) => !before.some((tip) => tip.name === name)));
    cleared = await clearTarget(git, options, destination, stamp);
  };
  try {
    await reachTarget(git, request, { shallow, fresh: false, prepare });
  } catch (error) {
    await cleared?.undo();
    throw error;
  }
  await reapply(cleared, last().withEnv(LOCAL_REPO_ENV), options);
  for (const ref of await keepTips(git, before, stamp)) {
    git.warn(
      `Commits that only the prebuild at ${
        JSON.stringify(options.location)
      } has are kept as ${ref}`,
    );
  }
  if (request.upstream) await fetchUpstream(git, shallow);
  await updateSubmodules(git, { ...options, shallow });
}

/** Brings local work back. A failure is a warning: the target is checked out, and the work is not lost. */
async function reapply(
  cleared: ClearedTarget | undefined,
  git: GitSession,
  { location, signal }: UpdateFiles,
): Promise<void> {
  if (!cleared) return;
  try {
    await cleared.reapply(git);
  } catch (error) {
    signal.throwIfAborted();
    git.warn(
      `Local work at ${JSON.stringify(location)} could not be brought back and is in ` +
        `${cleared.folder}: ${messageOf(error)}`,
    );
  }
}

/** Returns a name that no other update of the repository has used: the time and a random suffix. */
export function newStamp(): string {
  return `${new Date().toISOString().replace(/[-:]|\..*/g, "")}-${crypto.randomUUID().slice(0, 8)}`;
}
