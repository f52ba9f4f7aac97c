import type { TarEntry, TarReader } from "../../archive/mod.ts";
import { isErrno, S } from "../../linux/mod.ts";
import type { Leaf } from "../extract/extract_tree.ts";
import { writeContent } from "../extract/write_content.ts";
import {
  type MetadataPolicy,
  NAME_REFUSALS,
  NODE_REFUSALS,
  type StoredMetadata,
} from "./metadata_policy.ts";

const BUFFER_BYTES = 1 << 20;

/** Makes files, symlinks, FIFOs and devices of a layer's entries, where nothing is yet. */
export class EntryMaker {
  readonly #policy: MetadataPolicy;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);

  constructor(policy: MetadataPolicy) {
    this.#policy = policy;
  }

  /**
   * Makes a file with the content that `reader` has next.
   * @returns false if the file system cannot hold a file of such a name or size; then none is there
   * @throws {ArchiveError | SystemError}
   */
  file(leaf: Leaf, entry: TarEntry, reader: TarReader, metadata: StoredMetadata): boolean {
    const { dir, name, path } = leaf;
    try {
      using file = dir.createFile(name);
      writeContent(file, entry, reader, this.#buffer);
      this.#policy.apply(file, metadata, () => path.bytes);
    } catch (error) {
      if (isErrno(error, ...NAME_REFUSALS)) return false;
      if (!isErrno(error, "EFBIG")) throw error;
      dir.unlink(name);
      return false;
    }
    return true;
  }

  /**
   * Makes a symlink, FIFO or device.
   * @returns false if this node cannot or must not have it
   * @throws {SystemError}
   */
  node(leaf: Leaf, entry: TarEntry, metadata: StoredMetadata): boolean {
    const { dir, name, path } = leaf;
    try {
      if (entry.type === "symlink") {
        dir.symlink(entry.linkPath, name);
      } else if (entry.type === "fifo") {
        dir.makeFifo(name, 0o600);
      } else {
        if (!this.#policy.allowsDevices) return false;
        const type = entry.type === "character-device" ? S.IFCHR : S.IFBLK;
        dir.makeDevice(name, type | 0o600, entry.devMajor, entry.devMinor);
      }
    } catch (error) {
      if (isErrno(error, ...NODE_REFUSALS)) return false;
      throw error;
    }
    const options = { hasMode: entry.type !== "symlink", path: () => path.bytes };
    this.#policy.applyToEntry(dir, name, metadata, options);
    return true;
  }
}
