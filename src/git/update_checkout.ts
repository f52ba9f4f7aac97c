import type { Tree } from "../content/mod.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { remoteConfig, splitConfig } from "./clone.ts";
import { appendConfig, type CheckoutFiles, sanitizeConfig } from "./sanitize_config.ts";
import { type Cleared, clearTargetPlaces } from "./make_way.ts";
import { keepTips, localTips } from "./local_refs.ts";
import type { CheckoutRequest } from "./request.ts";
import type { GitSession } from "./session.ts";
import { LOCAL_REPO_ENV, type SubmoduleOptions, updateSubmodules } from "./submodules.ts";
import { type Destination, fetchUpstream, reachTarget } from "./target.ts";
import { gitEntry, joinPath } from "./tree_path.ts";

const log = logger("git");

/** Nothing is a repository here: for git commands that work on what they are given. */
export const NO_REPO_ENV: Readonly<Record<string, string>> = { GIT_DIR: "/dev/null" };

/** A checkout, and a staging tree for what nobody needs any more. */
export interface UpdateFiles extends CheckoutFiles {
  discarded: Tree;
}

/**
 * Brings the repository in the session's directory to its target; see `local_work.ts` for what
 * becomes of local work. Where it fails, the working tree is as it was.
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
  // Submodules may use up the time, and the rest of the work is not worth less for that.
  const last = () =>
    git.withSignal(AbortSignal.any([files.signal, AbortSignal.timeout(files.timeout)]));
  try {
    await bringTo(git.withEnv(LOCAL_REPO_ENV), last, request, { ...files, folders });
  } catch (error) {
    await rearm(last().withEnv(NO_REPO_ENV)).catch((failure) => {
      const reason = messageOf(failure);
      log.warn("The config of {folder} stays as git was given it: {reason}", { folder, reason });
    });
    throw error;
  }
  await rearm(last().withEnv(NO_REPO_ENV));
  await appendConfig(files, joinPath(folder, "config"), custom.deferred);
}

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
  // A limited depth would cut the history that a whole repository has.
  const shallow = isShallow && !request.full;
  let cleared: Cleared | undefined;
  const prepare = async (destination: Destination) => {
    const branchTips = await localTips(git, options, destination.branch);
    before.push(...branchTips.filter(({ name }) => !before.some((tip) => tip.name === name)));
    cleared = await clearTargetPlaces(git, options, destination, stamp);
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

/** The target is reached: local work that cannot be brought back is not lost, and no reason to fail. */
async function reapply(
  cleared: Cleared | undefined,
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

/** A name that no other update of the repository has used. */
export function newStamp(): string {
  return `${new Date().toISOString().replace(/[-:]|\..*/g, "")}-${crypto.randomUUID().slice(0, 8)}`;
}
