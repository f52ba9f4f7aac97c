/** The prebuild initializer: a snapshot brought up to date by Git, or Git alone. */

import { DaemonError, invalid, messageOf } from "../errors.ts";
import { followLinks } from "../git/mod.ts";
import { logger } from "../log/mod.ts";
import type { InitializerContext, PrebuildSpec, SnapshotSpec } from "./initializer.ts";
import { replaceGit, runGit, updateGit, validateGit } from "./git.ts";
import { parseCheckoutLocation } from "./location.ts";
import { runSnapshot, validateOptionalSnapshot, validateSnapshot } from "./restore.ts";
import type { RunServices, Services } from "./services.ts";

const log = logger("initializer");

/**
 * A prebuild that failed has no snapshot: its name is empty then, and Git alone is enough.
 * @throws {DaemonError} INVALID_ARGUMENT
 */
export function validatePrebuild(
  spec: PrebuildSpec,
  path: string,
  services: Pick<Services, "git">,
): void {
  const { prebuild, git } = spec;
  if (git.length === 0) {
    if (!prebuild) throw invalid(`${path}.prebuild`, "must be set to a snapshot");
    validateSnapshot(prebuild, `${path}.prebuild`);
  } else if (prebuild) {
    validateOptionalSnapshot(prebuild, `${path}.prebuild`);
  }
  git.forEach((git, index) => validateGit(git, `${path}.git[${index}]`, services));
}

/** Restores the snapshot, or else clones; then brings each checkout to its target. */
export async function runPrebuild(
  spec: PrebuildSpec,
  context: InitializerContext,
  services: RunServices,
): Promise<void> {
  const restored = await tryRestore(spec.prebuild, context, spec.git.length > 0);
  for (const git of spec.git) {
    if (!restored) {
      await runGit(git, context, services);
      continue;
    }
    const { location: checkoutLocation, holds } = await restoredAt(git.checkoutLocation, context);
    const work = { nothing: runGit, files: replaceGit, repository: updateGit }[holds];
    await work({ ...git, checkoutLocation }, context, services);
  }
}

/** @returns whether the tree now holds the prebuild; where not, it is empty */
async function tryRestore(
  prebuild: SnapshotSpec | undefined,
  context: InitializerContext,
  hasFallback: boolean,
): Promise<boolean> {
  if (!prebuild || prebuild.snapshot === "") {
    log.warn("Starting from Git, as the prebuild has no snapshot");
    return false;
  }
  if (!context.remoteStorage && hasFallback) return false;
  try {
    await runSnapshot(prebuild, context);
    return true;
  } catch (error) {
    context.signal.throwIfAborted();
    if (!hasFallback || !(error instanceof DaemonError)) throw error;
    log.warn("Starting from Git, as the prebuild cannot be restored: {reason}", {
      reason: messageOf(error),
    });
    await context.images.content.clear(context.tree);
    return false;
  }
}

/** What was restored where a checkout is to be. */
interface RestoredLocation {
  /** Where the location leads, without links. */
  location: string;
  holds: "nothing" | "files" | "repository";
}

async function restoredAt(
  checkoutLocation: string,
  context: InitializerContext,
): Promise<RestoredLocation> {
  const { images: { content }, tree } = context;
  const location = parseCheckoutLocation(checkoutLocation, "checkout_location");
  const found = await followLinks(content, tree, location);
  if (found?.type !== "directory") {
    await putObstacleAside(location, context);
    return { location, holds: "nothing" };
  }
  const entries = await content.list(tree, found.path);
  const isRepository = entries.some(({ name }) => name === ".git");
  return {
    location: found.path,
    holds: isRepository ? "repository" : entries.length > 0 ? "files" : "nothing",
  };
}

/** Renames what is no directory and stands where a checkout is to be, or a parent of it. */
async function putObstacleAside(
  location: string,
  { images: { content }, tree, contentOwner, onWarning }: InitializerContext,
): Promise<void> {
  const [state] = await content.inspectPaths(tree, "", [new TextEncoder().encode(location)]);
  if (!state || state.type === "absent" || state.type === "directory") return;
  const obstacle = state.type === "blocked" ? new TextDecoder().decode(state.blocker) : location;
  const other = `${obstacle}.put-aside-${crypto.randomUUID().slice(0, 8)}`;
  const [from, to] = [obstacle, other].map((path) => new TextEncoder().encode(path));
  const top = { tree, folder: "" };
  await content.movePaths(top, top, [{ from: from!, to: to! }], contentOwner);
  const warning = `${JSON.stringify(obstacle)} of the prebuild is no folder and in a checkout's ` +
    `way; it was renamed to ${JSON.stringify(other)}`;
  log.warn("{warning}", { warning });
  onWarning?.(warning);
}
