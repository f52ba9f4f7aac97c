/** Enforces the workspace's quota while an initializer fills its tree. */

import type { Tree } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import type { InitializerContext, Services } from "./initializer_kind.ts";

/** Returns how many bytes on disk may still be taken; `undefined` where there is no limit. */
export async function bytesLeft(context: InitializerContext): Promise<number | undefined> {
  if (context.limitBytes === undefined) return undefined;
  const { bytes } = await context.content.usage(context.tree);
  return Math.max(0, context.limitBytes - bytes);
}

/**
 * Runs `work`, whose signal aborts once the tree is larger than its limit; it is measured every
 * `tuning.usageInterval`, and once more at the end, and limited by the file system where that can.
 * @param others staging trees that count, too, while they are there
 * @throws {DaemonError} RESOURCE_EXHAUSTED where it is larger; what `work` throws
 */
export async function withinLimit(
  context: InitializerContext,
  { clock, tuning }: Pick<Services, "clock" | "tuning">,
  work: (signal: AbortSignal) => Promise<void>,
  others: readonly Tree[] = [],
): Promise<void> {
  if (context.limitBytes === undefined) return await work(context.signal);
  const finished = new AbortController();
  const exceeded = new AbortController();
  const watch = async () => {
    while (!finished.signal.aborted) {
      try {
        await clock.sleep(tuning.usageInterval, finished.signal);
      } catch {
        return;
      }
      await refuseExcess(context, others).catch((error) => exceeded.abort(error));
    }
  };
  const { content, tree, limitBytes } = context;
  // Where the file system limits the tree itself, only the other trees have to be measured.
  const isLimited = await content.limit(tree, limitBytes);
  const watching = watch();
  try {
    await work(AbortSignal.any([context.signal, exceeded.signal]));
  } finally {
    finished.abort();
    await watching;
    if (isLimited) await content.limit(tree);
  }
  await refuseExcess(context);
}

async function refuseExcess(
  { content, tree, limitBytes }: InitializerContext,
  others: readonly Tree[] = [],
): Promise<void> {
  let { bytes, entries } = await content.usage(tree);
  for (const other of others) {
    if (!await content.exists(other)) continue;
    const more = await content.usage(other);
    bytes += more.bytes;
    entries += more.entries;
  }
  if (limitBytes === undefined || bytes <= limitBytes) return;
  throw new DaemonError(
    "RESOURCE_EXHAUSTED",
    `The workspace's content grew to ${bytes} bytes on disk in ${entries} files and folders; ` +
      `its quota is ${limitBytes}`,
    { reason: "QUOTA_EXCEEDED" },
  );
}
