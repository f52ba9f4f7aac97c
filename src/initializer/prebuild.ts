/** The prebuild initializer: a snapshot brought up to date by Git, or Git alone. */

import { DaemonError, invalid, messageOf } from "../errors.ts";
import { followLinks } from "../git/mod.ts";
import { logger } from "../log/mod.ts";
import { cloneAmongFiles, cloneCheckout, updateCheckout } from "./git.ts";
import { type GitPlan, parseGit } from "./git_plan.ts";
import type {
  InitializerContext,
  InitializerKind,
  ParseRules,
  RunServices,
} from "./initializer_kind.ts";
import { isInGitFolder } from "./location.ts";
import { parseSnapshot, runSnapshot, type SnapshotPlan } from "./snapshot.ts";
import type { PrebuildSpec } from "./specs.ts";
import { refuseVolumeSnapshot } from "./stored_content.ts";

const log = logger("initializer");

/** A snapshot to restore and checkouts to bring up to date; at least one of both. */
export interface PrebuildPlan {
  /** Absent where the prebuild failed and there are checkouts to start from instead. */
  snapshot?: SnapshotPlan;
  checkouts: readonly GitPlan[];
}

/** The prebuild initializer. */
export const prebuild: InitializerKind<PrebuildSpec, PrebuildPlan> = {
  fills: "the whole tree",
  parse: parsePrebuild,
  run: runPrebuild,
  checkout: ({ checkouts: [first] }) => first && { location: first.location, isMade: true },
};

/** Parses a prebuild. One that failed has no snapshot: its name is empty, and checkouts are enough. */
function parsePrebuild(spec: PrebuildSpec, path: string, rules: ParseRules): PrebuildPlan {
  const snapshot = parsePrebuildSnapshot(spec, path);
  const checkouts = spec.git.map((git, index) => parseGit(git, `${path}.git[${index}]`, rules));
  return { ...(snapshot ? { snapshot } : {}), checkouts };
}

function parsePrebuildSnapshot(
  { prebuild, git }: PrebuildSpec,
  path: string,
): SnapshotPlan | undefined {
  const field = `${path}.prebuild`;
  const hasFallback = git.length > 0;
  if (!prebuild && !hasFallback) throw invalid(field, "must be set to a snapshot");
  if (!prebuild) return undefined;
  if (prebuild.snapshot !== "" || !hasFallback) return parseSnapshot(prebuild, field);
  refuseVolumeSnapshot(prebuild, field);
  return undefined;
}

/** Restores the snapshot, or else clones; then brings each checkout to its target. */
async function runPrebuild(
  plan: PrebuildPlan,
  context: InitializerContext,
  services: RunServices,
): Promise<void> {
  const restored = await tryRestore(plan, context);
  for (const checkout of plan.checkouts) {
    if (!restored) {
      await cloneCheckout(checkout, context, services);
      continue;
    }
    const { location, holds } = await restoredAt(checkout.location, context);
    const work = { nothing: cloneCheckout, files: cloneAmongFiles, repository: updateCheckout };
    await work[holds]({ ...checkout, location }, context, services);
  }
}

/** Restores the snapshot. @returns whether the tree now holds the prebuild; where not, it is empty */
async function tryRestore(
  { snapshot, checkouts }: PrebuildPlan,
  context: InitializerContext,
): Promise<boolean> {
  if (!snapshot) {
    log.warn("Starting from Git, as the prebuild has no snapshot");
    return false;
  }
  const hasFallback = checkouts.length > 0;
  if (!context.remoteStorage && hasFallback) return false;
  try {
    await runSnapshot(snapshot, context);
    return true;
  } catch (error) {
    context.signal.throwIfAborted();
    if (!hasFallback || !(error instanceof DaemonError)) throw error;
    log.warn("Starting from Git, as the prebuild cannot be restored: {reason}", {
      reason: messageOf(error),
    });
    await context.content.clear(context.tree);
    return false;
  }
}

/** The entry that was restored where a checkout is to be. */
interface RestoredLocation {
  /** Where the location leads, without links. */
  location: string;
  holds: "nothing" | "files" | "repository";
}

async function restoredAt(
  location: string,
  context: InitializerContext,
): Promise<RestoredLocation> {
  const { content, tree } = context;
  const found = await followLinks(content, tree, location);
  if (found?.type !== "directory") {
    await putBlockingEntryAside(location, context);
    return { location, holds: "nothing" };
  }
  refuseGitFolder(location, found.path);
  const entries = await content.list(tree, found.path);
  const isRepository = entries.some(({ name }) => name === ".git");
  return {
    location: found.path,
    holds: isRepository ? "repository" : entries.length > 0 ? "files" : "nothing",
  };
}

/** Refuses a location in a `.git` folder, where a link of the prebuild may lead and no request may. */
function refuseGitFolder(location: string, path: string): void {
  if (!isInGitFolder(path)) return;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `Cannot check out at ${JSON.stringify(location)}: links of the prebuild lead from there into ` +
      `${JSON.stringify(path)}, and a ".git" folder cannot hold a checkout`,
    { reason: "CONTENT_CONFLICT" },
  );
}

/** Renames what is no directory and stands where a checkout is to be, or a parent of it. */
async function putBlockingEntryAside(
  location: string,
  { content, tree, contentOwner, onWarning }: InitializerContext,
): Promise<void> {
  const [state] = await content.inspectPaths(tree, "", [new TextEncoder().encode(location)]);
  if (!state || state.type === "absent" || state.type === "directory") return;
  const blocker = state.type === "blocked" ? new TextDecoder().decode(state.blocker) : location;
  const other = `${blocker}.put-aside-${crypto.randomUUID().slice(0, 8)}`;
  const [from, to] = [blocker, other].map((path) => new TextEncoder().encode(path));
  const top = { tree, folder: "" };
  await content.movePaths(top, top, [{ from: from!, to: to! }], contentOwner);
  const warning = `${JSON.stringify(blocker)} of the prebuild is no folder and in a checkout's ` +
    `way; it was renamed to ${JSON.stringify(other)}`;
  log.warn("{warning}", { warning });
  onWarning?.(warning);
}
