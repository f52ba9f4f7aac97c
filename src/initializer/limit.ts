import type { Tree } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import type { InitializerContext } from "./initializer.ts";
import type { Services } from "./services.ts";

/** Bytes on disk that may still be taken; `undefined` where there is no limit. */
export async function bytesLeft(context: InitializerContext): Promise<number | undefined> {
  if (context.limitBytes === undefined) return undefined;
  const { bytes } = await context.images.content.usage(context.tree);
  return Math.max(0, context.limitBytes - bytes);
}

/**
 * Runs `work`, whose signal is aborted once the tree is larger than its limit.
 * @param others staging trees that count, too, while they are there
 * @throws {DaemonError} RESOURCE_EXHAUSTED then
 */
export async function withinLimit(
  context: InitializerContext,
  { clock, tuning }: Services,
  work: (signal: AbortSignal) => Promise<void>,
  others: readonly Tree[] = [],
): Promise<void> {
  if (context.limitBytes === undefined) return await work(context.signal);
  const done = new AbortController();
  const exceeded = new AbortController();
  const watch = async () => {
    while (!done.signal.aborted) {
      try {
        await clock.sleep(tuning.usageInterval, done.signal);
      } catch {
        return;
      }
      await refuseExcess(context, others).catch((error) => exceeded.abort(error));
    }
  };
  const watching = watch();
  try {
    await work(AbortSignal.any([context.signal, exceeded.signal]));
  } finally {
    done.abort();
    await watching;
  }
  await refuseExcess(context);
}

async function refuseExcess(
  { images: { content }, tree, limitBytes }: InitializerContext,
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
  );
}
