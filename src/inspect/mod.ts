/**
 * Looks into a store without restoring: lists images, shows and exports what is in one, verifies every
 * digest, and copies images to another store. Nothing here changes a workspace.
 */

export type { BlobSource } from "./blob_file.ts";
export {
  applyForget,
  type ForgetPlan,
  type ForgetPolicy,
  planForget,
  type PlannedImage,
} from "./forget.ts";
export {
  catalog,
  type CatalogEntry,
  findImage,
  type FoundImage,
  removeImages,
  sizesOfImage,
} from "./catalog.ts";
export { type CopyFilter, copyImages, type CopyOptions, type CopyResult } from "./copy_images.ts";
export { type HistoryEntry, imageHistory } from "./image_history.ts";
export { type ImagePage, listImages } from "./image_pages.ts";
export { removeOwner } from "./remove_owner.ts";
export { expanded } from "./file_content.ts";
export { ImageFiles } from "./image_files.ts";
export { type ImageEntry, type ImageEntryType, isWithin } from "./image_tree.ts";
export { exportOci, OCI_TAG } from "./oci_export.ts";
export { tarOf } from "./tar_export.ts";
export {
  type Damage,
  verifyImages,
  type VerifyProgress,
  type VerifyResult,
  type VerifySource,
} from "./verify.ts";
