import { join } from "@std/path";
import { systemClock } from "../clock.ts";
import type { Config } from "../config/mod.ts";
import type { Content } from "../content/mod.ts";
import { type FoundGit, Git } from "../git/mod.ts";
import { createInitializers } from "../initializer/mod.ts";
import type { OperationRegistry } from "../operations/mod.ts";
import type { EgressProxy } from "../outbound/mod.ts";
import { type BaseCache, type LayerCache, LegacyArchives, StoredImages } from "../snapshot/mod.ts";
import { keepsContent, legacyPatterns, type ObjectStore } from "../store/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";
import { type Journal, WorkspaceManager, WorkspaceMetrics } from "../workspace/mod.ts";
import type { DiskWatch } from "./disk_watch.ts";
import { spoolOf } from "./spool_folder.ts";
import type { StoreUpkeep } from "./store_upkeep.ts";

/** Options of the daemon that the workspace manager depends on. */
export interface ManagerContext {
  config: Config;
  content: Content;
  git: FoundGit;
  /** Whether the process is root, and so can run Git as the content's owner. */
  privileged: boolean;
}

/** What the workspace manager needs besides the options of the daemon. */
export interface ManagerDependencies {
  store: ObjectStore;
  upkeep: StoreUpkeep;
  bases: BaseCache;
  layers: LayerCache;
  journal: Journal;
  metrics: Metrics;
  egressProxy: EgressProxy;
  operations: OperationRegistry;
  disks: DiskWatch;
}

/** Makes the workspace manager, which the caller starts and stops. */
export function createManager(
  { config, content, privileged, git: found }: ManagerContext,
  { store, upkeep, bases, layers, journal, metrics, egressProxy, operations, disks }:
    ManagerDependencies,
): WorkspaceManager {
  const clock = systemClock;
  const spool = spoolOf(config);
  const retention = () => upkeep.rules();
  const { exclude: excludes, store: { chunks: { minBytes: chunkMinBytes } } } = config;
  const patterns = legacyPatterns(config.storage);
  const legacy = new LegacyArchives({ store, patterns, metrics });
  const images = new StoredImages({
    ...{ content, store, clock, bases, layers, retention, excludes, legacy },
    chunkMinBytes,
  });
  const git = Git.open({
    ...config.git,
    found,
    content,
    spool,
    folder: join(config.root, "tmp", "git"),
    switchUser: privileged,
    contentOwner: config.contentOwner,
    egressProxy,
    clock,
  });
  return new WorkspaceManager({
    content,
    images,
    initializers: createInitializers({ ...config.init, git, egressProxy, clock, spool, metrics }),
    gitStatus: git,
    journal,
    admission: disks,
    clock,
    metrics: new WorkspaceMetrics(metrics),
    operations,
    remoteStorage: keepsContent(config.storage),
    contentOwner: config.contentOwner,
    readyFile: config.compat.readyFile,
    ...(config.init.inPlace ? { inPlace: { owners: folderOwners(config, privileged) } } : {}),
    backup: config.backup,
  });
}

/** Returns who may own a folder that is filled in place: nobody whom the content would not belong to. */
function folderOwners({ contentOwner }: Config, privileged: boolean): number[] {
  return [...new Set([...(privileged ? [0] : []), contentOwner.uid])];
}
