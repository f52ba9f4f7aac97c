import type { Content, Owner, RestoreResult, Tree } from "../content/mod.ts";
import type { Digest } from "../digest.ts";
import { asDaemonError, messageOf } from "../errors.ts";
import type { InitializerPlan, Initializers } from "../initializer/mod.ts";
import { logger } from "../log/mod.ts";
import type { Operation } from "../operations/mod.ts";
import type { Images } from "../snapshot/mod.ts";
import type { WorkspaceMetrics } from "./workspace_metrics.ts";
import { limitTree } from "./limits.ts";
import { type InPlaceRules, publish } from "./publish.ts";
import type { ReadyFile, RestoredAs } from "./ready_file.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

/** The services and limits of an initialisation. */
export interface SetupContext {
  content: Content;
  images: Images;
  initializers: Initializers;
  /** Whether this workspace may be restored from the store. */
  remoteStorage: boolean;
  contentOwner: Owner;
  /** Absent where nobody else makes folders among the workspaces. */
  inPlace: InPlaceRules | undefined;
  /** Absent where workspaces get no ready file. */
  readyFile: ReadyFile | undefined;
  /** Whether the workspace's folder was there when the initialisation began. */
  isPreMade: boolean;
  /** Called with warnings for the caller, though nothing has failed. */
  onWarning(message: string): void;
  metrics: WorkspaceMetrics;
  operation: Operation;
  /** Cancels the initialisation; its reason, a DaemonError, is what the caller is told. */
  signal: AbortSignal;
}

/**
 * Takes a workspace from SETTING_UP to AVAILABLE; its tree is durable and visible then. A failure takes
 * it to NONE with nothing left, or to DELETING where something cannot be removed at once.
 * @throws {DaemonError} the initializer's failure, or the signal's reason
 */
export async function setUp(
  workspace: Workspace,
  plan: InitializerPlan,
  context: SetupContext,
): Promise<void> {
  const { content, operation, signal } = context;
  const { id } = workspace;
  const started = performance.now();
  const trees: Tree[] = [];
  const baselines: string[] = [];
  let base: Digest | undefined;
  let restored: RestoredAs | undefined;
  try {
    operation.enter("initializing");
    const { isPreMade: isPlain } = context;
    const tree = await content.create(context.contentOwner, id, { isPlain });
    trees.push(tree);
    await context.initializers.run(plan, {
      ...context,
      tree,
      identity: workspace.identity,
      ...(workspace.record.quotaBytes > 0 ? { limitBytes: workspace.record.quotaBytes } : {}),
      onBackupPreferred: () => void (restored = "preferred backup"),
      onRestored: (result) => {
        restored ??= "initializer";
        if (result.newBaseline !== undefined) baselines.push(result.newBaseline);
        base = result.manifest;
        reportRestored(workspace, result, context);
      },
    });
    signal.throwIfAborted();
    operation.setUncancellable("the content is whole, and is being published");
    operation.enter("publishing");
    // The limit is set last: the workspace's own backup is restored whatever it takes.
    await limitTree(content, tree, workspace.record.quotaBytes);
    await adoptBaseline(content, baselines, id);
    await publish(workspace, tree, trees, context);
    workspace.beginLineage(base);
    await context.readyFile?.place(workspace, restored, context.onWarning);
    await workspace.prepareReady();
    workspace.apply("ready");
  } catch (error) {
    const reported = signal.aborted ? signal.reason : asDaemonError(error, "INTERNAL");
    operation.setUncancellable("it has failed, and what it made is being removed");
    operation.enter("undoing");
    const nothingLeft = await undo(content, id, trees, baselines);
    workspace.apply(nothingLeft ? "fail" : "delete");
    throw reported;
  }
  log.debug("Workspace {id} of {owner}/{metaId} is AVAILABLE after {ms} ms", {
    id,
    ...workspace.identity,
    ms: Math.round(performance.now() - started),
  });
}

/** Logs, counts and warns of what a restore left out, and of a tree larger than its quota. */
function reportRestored(
  { id, record }: Workspace,
  { omitted, diskBytes }: RestoreResult,
  { metrics, onWarning }: SetupContext,
): void {
  const { counts, examples } = omitted;
  metrics.restored(omitted);
  if (examples.length > 0) {
    const kinds = Object.entries(counts).map(([kind, count]) => `${count} ${kind}`).join(", ");
    const why = "because this node cannot or must not make it as it was";
    log.warn(`Left out of workspace {id}, ${why}: {kinds}, such as {examples}`, {
      id,
      kinds,
      examples,
    });
    onWarning(`Left out of the workspace, ${why}: ${kinds}, such as ${examples.join(", ")}`);
  }
  if (record.quotaBytes === 0 || diskBytes <= record.quotaBytes) return;
  metrics.overQuota();
  log.warn(
    "Workspace {id} was restored with {bytes} bytes on disk, more than its quota of {quota}: " +
      "it is its owner's own content, which is never refused",
    { id, bytes: diskBytes, quota: record.quotaBytes },
  );
}

/**
 * Commits the last restore's baseline, which describes most of the tree, and drops the others: they are
 * of content that the last restore replaced.
 */
async function adoptBaseline(content: Content, tokens: string[], id: string): Promise<void> {
  const last = tokens.pop();
  for (const token of tokens) await content.dropBaseline(token);
  tokens.length = 0;
  if (last === undefined) await content.dropBaseline(id);
  else await content.commitBaseline(last, id);
}

/** Removes the trees and baselines made so far. @returns whether nothing of them is left */
async function undo(
  content: Content,
  id: string,
  trees: readonly Tree[],
  baselines: readonly string[],
): Promise<boolean> {
  const removals = [
    ...trees.map((tree) => () => content.remove(tree)),
    ...[...baselines, id].map((baseline) => () => content.dropBaseline(baseline)),
  ];
  let nothingLeft = true;
  for (const remove of removals) {
    try {
      await remove();
    } catch (error) {
      nothingLeft = false;
      log.error("Could not clear away all of workspace {id}, and will try again: {reason}", {
        id,
        reason: messageOf(error),
      });
    }
  }
  return nothingLeft;
}
