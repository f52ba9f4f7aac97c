/**
 * Saved images: making one of a workspace's tree, restoring one, and the references that make it live.
 *
 * Write order: layers and index and config, manifest, then the reference in one step, then this node's
 * baseline. What a reference names is wholly there at every moment.
 */

export { BaseCache, type BaseCacheOptions } from "./base_cache.ts";
export { LayerCache, type LayerCacheOptions } from "./layer_cache.ts";
export type { CacheLimits } from "./node_cache.ts";
export { alreadyBackedUp } from "./backups.ts";
export { STORE_CONCURRENCY } from "./concurrency.ts";
export { changeHistory } from "./history.ts";
export { blobsOf, contentBlobsOf, type ContentOfImage, type ImageBlob } from "./image_blobs.ts";
export {
  forgetImageUses,
  type ImageUse,
  imageUses,
  lastImageUse,
  noteImageUse,
} from "./image_uses.ts";
export {
  type Images,
  MAX_LOG_BYTES,
  type OtherLineages,
  type RestoredImage,
  type SavedImage,
  type SaveOptions,
  type WorkspaceIdentity,
} from "./images.ts";
export { LegacyArchives } from "./legacy_archives.ts";
export { KnownLineages } from "./known_lineages.ts";
export { type Lineage, newLineage } from "./lineage.ts";
export {
  applyKeepPolicy,
  type CalendarSpan,
  type KeepPolicy,
  keepsSomething,
} from "./keep_policy.ts";
export {
  describeImage,
  type ImageDescription,
  joinConfig,
  MANIFEST_TYPE,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from "./manifest.ts";
export type { ImageReference } from "./references.ts";
export {
  findReference,
  type FoundImage,
  type FoundReference,
  imagesOf,
  type ListedReference,
  liveBlobs,
  newestSnapshot,
  readManifest,
  references,
  type StoredManifest,
} from "./references_scan.ts";
export {
  BACKUP_PREFIX,
  backupKey,
  backupUrl,
  isIdentityPart,
  isReferenceKey,
  logPrefix,
  parseSnapshotName,
  referencePrefixes,
  snapshotKey,
  snapshotPrefix,
} from "./snapshot_names.ts";
export {
  headsOf,
  type HistoryImage,
  keepsBackups,
  type RetainedImages,
  retainedImages,
  type RetentionRules,
} from "./retained_images.ts";
export {
  joinPolicies,
  publishPolicy,
  sharedPolicies,
  type StorePolicy,
} from "./shared_policies.ts";
export { requireBlob } from "./require_blob.ts";
export { type ReadImage, readImage, readImageBlobs } from "./read_image.ts";
export { StoredImages } from "./stored_images.ts";
