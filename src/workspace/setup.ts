import type { Content, Owner, RestoreResult, Tree } from "../content/mod.ts";
import { asDaemonError, DaemonError, messageOf } from "../errors.ts";
import type { Initializers, InitializerSpec } from "../initializer/mod.ts";
import { logger } from "../log/mod.ts";
import type { Images } from "../snapshot/mod.ts";
import type { WorkspaceMetrics } from "./workspace_metrics.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

export interface SetupParts {
  content: Content;
  images: Images;
  initializers: Initializers;
  remoteStorage: boolean;
  contentOwner: Owner;
  /** Told what the caller should know of though nothing has failed. */
  onWarning(message: string): void;
  metrics: WorkspaceMetrics;
  /** Its reason, a DaemonError, is what the caller is told. */
  signal: AbortSignal;
}

/**
 * Takes a workspace from SETTING_UP to AVAILABLE, or to NONE with nothing left of it. What cannot be
 * cleared away at once is DELETING.
 * @throws {DaemonError} what went wrong, or the signal's reason.
 */
export async function setUp(
  workspace: Workspace,
  spec: InitializerSpec,
  parts: SetupParts,
): Promise<void> {
  const { content, signal } = parts;
  const { id } = workspace;
  const started = performance.now();
  const trees: Tree[] = [];
  const baselines: string[] = [];
  try {
    const tree = await content.create(parts.contentOwner, id);
    trees.push(tree);
    await parts.initializers.run(spec, {
      ...parts,
      tree,
      identity: workspace.identity,
      ...(workspace.record.quotaBytes > 0 ? { limitBytes: workspace.record.quotaBytes } : {}),
      onRestored: (result) => {
        if (result.newBaseline !== undefined) baselines.push(result.newBaseline);
        reportRestored(workspace, result, parts);
      },
    });
    signal.throwIfAborted();
    await adoptBaseline(content, baselines, id);
    await publish(content, tree, workspace.tree, trees);
    workspace.apply("ready");
  } catch (error) {
    const told = signal.aborted ? signal.reason : asDaemonError(error, "INTERNAL");
    log.warn("Could not set up workspace {id}: {reason}", { id, reason: messageOf(told) });
    const nothingLeft = await undo(content, id, trees, baselines);
    workspace.apply(nothingLeft ? "fail" : "delete");
    throw told;
  }
  log.info("Workspace {id} of {owner}/{metaId} is AVAILABLE after {ms} ms", {
    id,
    ...workspace.identity,
    ms: Math.round(performance.now() - started),
  });
}

/** Says and counts what of a restore is not as it was, or more than the quota. */
function reportRestored(
  { id, record }: Workspace,
  { omitted, diskBytes }: RestoreResult,
  { metrics, onWarning }: SetupParts,
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

/** The last restore's baseline describes most of the tree; earlier ones are of content that it replaced. */
async function adoptBaseline(content: Content, tokens: string[], id: string): Promise<void> {
  const last = tokens.pop();
  for (const token of tokens) await content.dropBaseline(token);
  tokens.length = 0;
  if (last === undefined) await content.dropBaseline(id);
  else await content.commitBaseline(last, id);
}

/** Makes the tree visible as `to`, which then is one of those to be undone, unless it is another's. */
async function publish(content: Content, tree: Tree, to: Tree, trees: Tree[]): Promise<void> {
  try {
    await content.publish(tree, to.name);
    trees.push(to);
  } catch (error) {
    const anothers = error instanceof DaemonError && error.code === "ALREADY_EXISTS";
    if (!anothers) trees.push(to);
    throw error;
  }
}

/** Removes what was made. @returns whether nothing of it is left */
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
