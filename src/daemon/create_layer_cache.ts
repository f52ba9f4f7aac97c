import { join } from "@std/path";
import { systemClock } from "../clock.ts";
import type { Config } from "../config/mod.ts";
import { type BaseCache, LayerCache } from "../snapshot/mod.ts";
import { keepsContent, type ObjectStore, storeFolder } from "../store/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";
import { spoolOf } from "./spool_folder.ts";

/**
 * Makes the cache of layers, which the caller starts and disposes of. Where images are cloned, or their
 * blobs are on this node anyway, it keeps none.
 */
export function createLayerCache(
  config: Config,
  { store, metrics, bases }: { store: ObjectStore; metrics: Metrics; bases: BaseCache },
): LayerCache {
  const { root, storage, cache } = config;
  const isElsewhere = keepsContent(storage) && storeFolder(storage) === undefined;
  return new LayerCache({
    ...cache,
    store,
    metrics,
    clock: systemClock,
    isEnabled: isElsewhere && !bases.isEnabled && cache.maxBytes > 0,
    folder: join(root, "cache"),
    spool: spoolOf(config),
  });
}
