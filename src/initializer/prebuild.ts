/** The prebuild initializer: a snapshot brought up to date by Git, or Git alone. */

import { DaemonError, invalid, messageOf } from "../errors.ts";
import { logger } from "../log.ts";
import type { InitializerContext, PrebuildSpec, SnapshotSpec } from "./initializer.ts";
import { runGit, updateGit, validateGit } from "./git.ts";
import { parseCheckoutLocation } from "./location.ts";
import { runSnapshot, validateSnapshot } from "./restore.ts";
import type { RunServices, Services } from "./services.ts";

const log = logger("initializer");

/** @throws {DaemonError} INVALID_ARGUMENT */
export function validatePrebuild(
  spec: PrebuildSpec,
  path: string,
  services: Pick<Services, "git">,
): void {
  if (!spec.prebuild) throw invalid(`${path}.prebuild`, "must be set to a snapshot");
  validateSnapshot(spec.prebuild, `${path}.prebuild`);
  spec.git.forEach((git, index) => validateGit(git, `${path}.git[${index}]`, services));
}

/** Restores the snapshot, or else clones; then brings each checkout to its target. */
export async function runPrebuild(
  spec: PrebuildSpec,
  context: InitializerContext,
  services: RunServices,
): Promise<void> {
  const restored = await tryRestore(spec.prebuild, context, spec.git.length > 0);
  for (const git of spec.git) {
    const update = restored && await hasRepository(git.checkoutLocation, context);
    await (update ? updateGit : runGit)(git, context, services);
  }
}

/** @returns whether the tree now holds the prebuild; where not, it is empty */
async function tryRestore(
  prebuild: SnapshotSpec | undefined,
  context: InitializerContext,
  hasFallback: boolean,
): Promise<boolean> {
  if (!prebuild) return false;
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

async function hasRepository(
  checkoutLocation: string,
  { images, tree }: InitializerContext,
): Promise<boolean> {
  const location = parseCheckoutLocation(checkoutLocation, "checkout_location");
  try {
    const entries = await images.content.list(tree, location);
    return entries.some(({ name }) => name === ".git");
  } catch (error) {
    if (error instanceof DaemonError && error.code === "NOT_FOUND") return false;
    throw error;
  }
}
