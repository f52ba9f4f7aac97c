/**
 * Brings content from elsewhere into a store, as backups: plain archives, folders and the images of other
 * tools. Everything is unpacked into a staging tree by the content Workers, as hostile unless somebody says
 * that it is trusted, and packed from there as any workspace is.
 */

export {
  importBackup,
  type ImportedBackup,
  type ImportOptions,
  type ImportSource,
} from "./import_backup.ts";
export { isOciLayout, readOciLayout } from "./oci_layout.ts";
