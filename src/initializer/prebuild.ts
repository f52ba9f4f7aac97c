/** The prebuild initializer: a snapshot brought up to date by Git, or Git alone. */

import { DaemonError, invalid, messageOf } from "../errors.ts";
import { logger } from "../log.ts";
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
    switch (restored ? await restoredAt(git.checkoutLocation, context) : "nothing") {
      case "nothing":
        await runGit(git, context, services);
        break;
      case "files":
        await replaceGit(git, context, services);
        break;
      case "repository":
        await updateGit(git, context, services);
    }
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
async function restoredAt(
  checkoutLocation: string,
  { images, tree }: InitializerContext,
): Promise<"nothing" | "files" | "repository"> {
  const location = parseCheckoutLocation(checkoutLocation, "checkout_location");
  try {
    const entries = await images.content.list(tree, location);
    if (entries.some(({ name }) => name === ".git")) return "repository";
    return entries.length > 0 ? "files" : "nothing";
  } catch (error) {
    if (error instanceof DaemonError && error.code === "NOT_FOUND") return "nothing";
    throw error;
  }
}
