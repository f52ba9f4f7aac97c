import type { Digest } from "../digest.ts";
import type { OtherLineages, WorkspaceIdentity } from "./images.ts";
import type { DescribedImage } from "./known_lineages.ts";
import {
  headsOf,
  type HistoryImage,
  type RetainedImages,
  retainedImages,
  type RetentionRules,
} from "./retained_images.ts";
import { backupUrl } from "./snapshot_names.ts";

/** A history that a backup was added to. */
interface AddedBackup extends RetainedImages<DescribedImage> {
  /** The newest backup of before, where it is the head of another lineage. */
  displaced?: DescribedImage;
}

/** The rules, and what tells that a backup of unknown lineage is the tree's own. */
interface AddBackupOptions {
  rules: RetentionRules | readonly RetentionRules[];
  /** Milliseconds since the epoch; what is newer is of the future. */
  now: number;
  /** Digests of the layers that the tree was last saved as or restored from, lowest first. */
  previousLayers: readonly Digest[];
}

/** Adds a backup to a history, which is newest first, and applies the rules. */
export function addBackup(
  image: HistoryImage,
  earlier: readonly DescribedImage[],
  { now, previousLayers, rules }: AddBackupOptions,
): AddedBackup {
  const others = earlier.filter(({ manifest }) => manifest !== image.manifest);
  // An earlier version saved it, of the very tree whose next image this is; what is older and of
  // unknown lineage is of the same.
  const isOwn = ({ layers }: DescribedImage) =>
    layers !== undefined && layers.length > 0 && layers.join() === previousLayers.join();
  const own = others.findIndex(isOwn);
  for (const [n, { lineage, ...other }] of others.entries()) {
    if (own >= 0 && n >= own && !lineage) others[n] = { ...other, lineage: image.lineage };
  }
  const history = [image, ...others];
  const retained = retainedImages(history, rules, now);
  const [newest] = others;
  const isDisplaced = newest !== undefined && earlier[0]?.manifest === newest.manifest &&
    headsOf(history).includes(newest);
  return { ...retained, ...(isDisplaced ? { displaced: newest } : {}) };
}

/** Returns what a backup met of other lineages, by urls; `undefined` for nothing. */
export function describeOthers(
  identity: WorkspaceIdentity,
  { displaced, droppedHeads }: AddedBackup,
): OtherLineages | undefined {
  const isDropped = displaced !== undefined && droppedHeads.includes(displaced);
  if (!displaced && droppedHeads.length === 0) return undefined;
  return {
    ...(displaced && !isDropped ? { displaced: backupUrl(identity, displaced.manifest) } : {}),
    dropped: droppedHeads.map(({ manifest }) => backupUrl(identity, manifest)),
  };
}
