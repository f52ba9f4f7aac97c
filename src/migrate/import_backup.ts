import type { Clock } from "../clock.ts";
import type { Content, Omissions, Owner, RestoreResult, Tree } from "../content/mod.ts";
import type { Digest } from "../digest.ts";
import type { LayerDescriptor } from "../image/mod.ts";
import { logger } from "../log/mod.ts";
import {
  alreadyBackedUp,
  backupKey,
  findReference,
  newLineage,
  StoredImages,
  type WorkspaceIdentity,
} from "../snapshot/mod.ts";
import type { LeasedFile, LocalFile } from "../spool.ts";
import type { ObjectStore } from "../store/mod.ts";

const log = logger("migrate");

/** The name of the baseline that an import leaves in its own areas. */
const BASELINE = "import";
/** An import lets no backup go: the next save does that, by the policy of the daemon that makes it. */
const KEEP_ALL = { retain: Number.MAX_SAFE_INTEGER, otherLineages: Number.MAX_SAFE_INTEGER };

/** What is imported; what files it has are within the content Workers' reach. */
export type ImportSource =
  | { kind: "archive"; file: LocalFile }
  | { kind: "folder"; tree: Tree }
  | {
    kind: "layers";
    /** Lowest first. */
    layers: readonly LayerDescriptor[];
    fetch(layer: { digest: Digest; size: number }): Promise<LeasedFile>;
  };

/** Options of {@link importBackup}. */
export interface ImportOptions {
  /** Returns what unpacks and packs; called once nothing speaks against the import. */
  startContent(): Promise<Content>;
  store: ObjectStore;
  clock: Clock;
  identity: WorkspaceIdentity;
  /** What it is imported from, for the log. */
  name: string;
  /** The owner of the top folder where the source does not say whose it is. */
  owner: Owner;
  /** Whether set-id bits, devices and privileged xattrs are kept. */
  trusted: boolean;
  /** The most that it may take on disk while it is unpacked, in bytes. */
  limitBytes: number;
  /** Whether an identity that has backups gets a further one, of a lineage of its own. */
  addToOthers: boolean;
  /** Called when a step begins, with what it does as a participle. */
  onStep?(doing: string): void;
  signal?: AbortSignal | undefined;
}

/** A backup that was imported. */
export interface ImportedBackup {
  url: string;
  manifest: Digest;
  files: number;
  /** Apparent bytes of its files. */
  contentBytes: number;
  /** What the backup does not have of the source, by policy or because this node cannot make it. */
  omitted: Omissions;
  /** Sockets of a folder, which no image has. */
  skippedSockets: number;
}

/**
 * Makes a source the identity's latest backup, of a new lineage. What it loses is returned and logged.
 * @throws {DaemonError} ALREADY_EXISTS where the identity has a backup and `addToOthers` is not set;
 *   FAILED_PRECONDITION naming the entry where the source is malformed or would leave its tree,
 *   DATA_LOSS for an image that is damaged; RESOURCE_EXHAUSTED, ABORTED and what the store throws. Nothing is
 *   left but blobs for the next collection
 */
export async function importBackup(
  source: ImportSource,
  options: ImportOptions,
): Promise<ImportedBackup> {
  const { store, clock, identity, signal, addToOthers, onStep = () => {} } = options;
  if (!addToOthers) await requireFirst(store, identity, signal);
  const content = await options.startContent();
  const tree = await content.create(options.owner);
  try {
    onStep("unpacking");
    const { omitted, skippedSockets } = await fill(content, tree, source, options);
    onStep("packing");
    const images = new StoredImages({ content, store, clock, retention: KEEP_ALL });
    const saved = await images.saveBackup(tree, identity, {
      baseline: BASELINE,
      lineage: newLineage(),
      mustBeFirst: !addToOthers,
      signal,
    });
    const { url, manifest, stats: { files, contentBytes } } = saved;
    reportOmissions(options, url, omitted);
    return { url, manifest, files, contentBytes, omitted, skippedSockets };
  } finally {
    await content.remove(tree);
  }
}

/** Refuses an identity that has a backup before anything is done. @throws {DaemonError} ALREADY_EXISTS */
async function requireFirst(
  store: ObjectStore,
  identity: WorkspaceIdentity,
  signal: AbortSignal | undefined,
): Promise<void> {
  const found = await findReference(store, backupKey(identity), { identity, signal });
  if (found) throw alreadyBackedUp(identity, found.images[0]!.manifest);
}

/** What a source made. */
type Filled = Pick<RestoreResult, "omitted"> & { skippedSockets: number };

async function fill(
  content: Content,
  tree: Tree,
  source: ImportSource,
  options: ImportOptions,
): Promise<Filled> {
  const { trusted, limitBytes, signal } = options;
  const limits = { trusted, limitBytes, signal };
  switch (source.kind) {
    case "archive": {
      const { omitted } = await content.extract(tree, source.file, limits);
      return { omitted, skippedSockets: 0 };
    }
    case "layers": {
      const { layers, fetch } = source;
      const { omitted } = await content.restore(tree, { layers, fetch, ...limits });
      return { omitted, skippedSockets: 0 };
    }
    case "folder":
      return await fillFromFolder(content, tree, source.tree, options);
  }
}

/** Copies a folder by an image that is never stored, so that what it may have is decided as of any image. */
async function fillFromFolder(
  content: Content,
  tree: Tree,
  folder: Tree,
  { trusted, limitBytes, signal }: ImportOptions,
): Promise<Filled> {
  const files = new Map<Digest, LocalFile>();
  const packed = await content.pack(folder, {
    reuse: [],
    onLayer: ({ digest, file }) => {
      files.set(digest, file);
      return Promise.resolve();
    },
    signal,
  });
  const { layers, index, newIndex, newBaseline, stats } = packed;
  if (newIndex) files.set(newIndex.digest, newIndex.file);
  try {
    const fetch = ({ digest }: { digest: Digest }) =>
      Promise.resolve({ ...files.get(digest)!, release: () => Promise.resolve() });
    const restored = await content.restore(tree, {
      ...{ layers, index, fetch, trusted, limitBytes, signal },
    });
    if (restored.newBaseline !== undefined) await content.dropBaseline(restored.newBaseline);
    return { omitted: restored.omitted, skippedSockets: stats.skippedSockets };
  } finally {
    await content.dropBaseline(newBaseline);
    for (const file of files.values()) await content.discard(file);
  }
}

/** Logs what a backup does not have of its source. */
function reportOmissions(
  { name }: ImportOptions,
  url: string,
  { counts, examples }: Omissions,
): void {
  if (examples.length === 0) return;
  const kinds = Object.entries(counts).map(([kind, count]) => `${count} ${kind}`).join(", ");
  log.warn("{url} does not have all of {name}: {kinds}, such as {examples}", {
    url,
    name,
    kinds,
    examples,
  });
}
