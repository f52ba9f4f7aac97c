/**
 * Restores an image without an index, as other tools make or copy it: applies its layers one after the
 * other, as the OCI image layer specification says ("Applying Changesets"), and our vendor records.
 *
 * `inspect/layer_tree.ts` applies changesets too, to a tree in memory. They share the parsing of
 * whiteouts and paths (`image/whiteout.ts`), not the loop: this one reads each layer twice, because a
 * layer's headers need not fit into memory, and writes content as it passes; that one reads a layer
 * once, keeps its headers and skips the content. A loop for both would be two calls of callbacks.
 */

import { createHash } from "node:crypto";
import {
  ArchiveError,
  type Compression,
  decompress,
  MAX_EXTENSION_BYTES,
  MAX_OWN_EXTENSION_BYTES,
  showName,
  type TarEntry,
  TarReader,
  VENDOR,
} from "../../archive/mod.ts";
import { type Digest, sha256Digest } from "../../digest.ts";
import { DaemonError } from "../../errors.ts";
import { type Directory, type File, isErrno, S, type Stat, timespec } from "../../linux/mod.ts";
import type { LocalFile } from "../../spool.ts";
import { Abilities } from "../abilities.ts";
import type { LayerDescriptor } from "../../image/mod.ts";
import type { OmissionKind } from "../omissions.ts";
import type { RestoreResult } from "./restore_result.ts";
import type { Tree } from "../tree.ts";
import { LINK_BYTES, takenBytes } from "../disk_usage.ts";
import { Budget } from "../budget.ts";
import {
  dataLoss,
  MAX_FOREIGN_DEPTH,
  type MemberPath,
  memberPath,
  verifyBlob,
  whiteoutOf,
  xattrsOfRecords,
} from "../../image/mod.ts";
import { contentError } from "../content_errors.ts";
import { ExtractTree, type Leaf } from "../extract/extract_tree.ts";
import { HardLinker } from "../extract/hard_linker.ts";
import { writeContent } from "../extract/write_content.ts";
import { OmissionLog } from "../omissions.ts";
import type { OperationContext } from "../operation.ts";
import { deleteContents, deleteEntry, type RemovalOptions } from "../delete_entry.ts";
import { type OpenAreas, openLocalFile, openTree, requireStaging } from "../areas.ts";
import { groupOf } from "../tree_names.ts";
import { DeferredMetadata } from "../extract/deferred_metadata.ts";
import {
  MetadataPolicy,
  NAME_REFUSALS,
  NODE_REFUSALS,
  type StoredMetadata,
} from "./metadata_policy.ts";

/** The layers to restore, and where. */
export interface LayersRequest {
  readonly tree: Tree;
  /** Lowest first. */
  readonly layers: readonly LayerDescriptor[];
  /** The layers' local files, in the same order. */
  readonly files: readonly LocalFile[];
  /** The most bytes that the tree may take on disk; absent for no limit but the disk. */
  readonly limitBytes: number | undefined;
  /** Whether this product made the image; see `RestoreOptions.trusted`. */
  readonly trusted: boolean;
}

const BUFFER = 1 << 20;
/** Bytes of heap that a name in a set takes besides its own. */
const KEY_BYTES = 64;

/**
 * Restores an image by its layers. After a failure the caller deletes the tree.
 * @throws {DaemonError} DATA_LOSS naming the layer, RESOURCE_EXHAUSTED, ABORTED
 */
export async function restoreLayers(
  areas: OpenAreas,
  request: LayersRequest,
  context: OperationContext,
): Promise<RestoreResult> {
  requireStaging(request.tree);
  using top = openTree(areas, request.tree);
  const applied = new AppliedLayers(top, areas, request, context);
  for (const [n, layer] of request.layers.entries()) {
    using file = openLocalFile(areas, request.files[n]!);
    verifyBlob(file, layer, () => context.throwIfCancelled());
    try {
      // Whiteouts apply to lower layers only, wherever in the layer they are: they go first.
      await applied.pass(file, (entry, { tree }) => applied.remove(entry, tree));
      const diffId = await applied.pass(file, (entry, at) => applied.apply(entry, at));
      if (diffId !== layer.diffId) {
        throw dataLoss(layer.digest, `its uncompressed content has digest ${diffId}`);
      }
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw error;
      throw dataLoss(layer.digest, error.message, error);
    }
  }
  return applied.finish();
}

const KINDS = {
  file: "file",
  symlink: "symlink",
  fifo: "fifo",
  "character-device": "device",
  "block-device": "device",
} as const satisfies Partial<Record<TarEntry["type"], OmissionKind>>;

/** Returns how a layer is compressed, by its first bytes. */
function compressionOf(file: File): Compression {
  const start = new Uint8Array(4);
  file.readAt(start, 0);
  const magic = new DataView(start.buffer).getUint32(0, true);
  if (magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50) return "zstd";
  return (magic & 0xffff) === 0x8b1f ? "gzip" : "none";
}

/** One reading of a layer from its start to its end. */
interface LayerPass {
  readonly reader: TarReader;
  readonly tree: ExtractTree;
  readonly linker: HardLinker;
}

/** A tree that layers are applied to, and what was made of them so far. */
class AppliedLayers {
  #files = 0;
  #contentBytes = 0;
  readonly #omissions = new OmissionLog();
  readonly #top: Directory;
  readonly #trash: Directory;
  readonly #removal: RemovalOptions;
  readonly #context: OperationContext;
  readonly #budget: Budget;
  readonly #policy: MetadataPolicy;
  readonly #buffer = new Uint8Array(BUFFER);
  /** Paths of entries that were left out: hard links to them are left out too. */
  readonly #omitted = new Set<string>();
  readonly #directories: DeferredMetadata<StoredMetadata>;
  readonly #maxDepth: number;
  readonly #maxExtensionBytes: number;

  constructor(
    top: Directory,
    { trash, staging }: Pick<OpenAreas, "trash" | "staging">,
    request: LayersRequest,
    context: OperationContext,
  ) {
    this.#top = top;
    this.#trash = trash;
    this.#removal = { group: groupOf(request.tree.name) };
    this.#context = context;
    this.#budget = new Budget({
      subject: "image",
      limitBytes: request.limitBytes,
      trusted: request.trusted,
    });
    this.#policy = new MetadataPolicy({
      trusted: request.trusted,
      abilities: new Abilities(staging),
      omissions: this.#omissions,
    });
    this.#directories = new DeferredMetadata((bytes) => this.#budget.keep(bytes));
    this.#maxDepth = request.trusted ? Infinity : MAX_FOREIGN_DEPTH;
    this.#maxExtensionBytes = request.trusted ? MAX_OWN_EXTENSION_BYTES : MAX_EXTENSION_BYTES;
  }

  /**
   * Reads a layer to its end and calls `action` for each entry.
   * @returns the digest of its uncompressed bytes
   */
  async pass(
    file: File,
    action: (entry: TarEntry, at: LayerPass) => void,
  ): Promise<Digest> {
    file.seek(0);
    const hash = createHash("sha256");
    const bytes = await decompress(file, compressionOf(file));
    const reader = new TarReader({
      read: (into) => {
        this.#context.throwIfCancelled();
        const count = bytes.read(into);
        hash.update(into.subarray(0, count));
        return count;
      },
    }, { maxExtensionBytes: this.#maxExtensionBytes });
    using tree = new ExtractTree(this.#top, {
      implied: () => {
        this.#context.throwIfCancelled();
        this.#budget.directory();
      },
      removed: (path, stat) => this.#forget(path, stat),
    });
    const linker = new HardLinker(tree, (stat) => {
      this.#context.throwIfCancelled();
      this.#budget.bytes(takenBytes(stat));
    });
    for (let entry = reader.next(); entry; entry = reader.next()) {
      try {
        action(entry, { reader, tree, linker });
      } catch (error) {
        throw inEntry(error, entry);
      }
    }
    reader.drain(Infinity);
    return sha256Digest(hash.digest("hex"));
  }

  /** Removes what a whiteout removes; does nothing for other entries. */
  remove(entry: TarEntry, tree: ExtractTree): void {
    const whiteout = whiteoutOf(entry, this.#maxDepth);
    if (!whiteout) return;
    const { kind, path } = whiteout;
    let directory: Directory;
    try {
      directory = tree.open(kind === "opaque" ? path.bytes : path.parent);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return;
      throw error;
    }
    using dir = directory;
    if (kind === "opaque") {
      deleteContents(dir, this.#trash, this.#removal);
      this.#directories.forgetBelow(path);
    } else {
      deleteEntry(dir, path.name, this.#trash, this.#removal);
      this.#directories.forget(path);
    }
  }

  /** Makes an entry, in place of what a lower layer has there; does nothing for whiteouts. */
  apply(entry: TarEntry, { reader, tree, linker }: LayerPass): void {
    if (whiteoutOf(entry, this.#maxDepth)) return;
    const path = this.#path(entry.pax.get(VENDOR.path) ?? entry.path);
    const metadata = metadataOf(entry);
    this.#charge(entry, path, metadata);
    if (entry.type === "directory") return this.#directory(tree, path, metadata);
    const leaf = tree.leaf(path);
    this.#clear(leaf, path);
    if (this.#omitted.size > 0) this.#omitted.delete(path.key);
    if (entry.type === "hardlink") return this.#hardlink(linker, leaf, entry);
    const isMade = entry.type === "file"
      ? this.#file(leaf, entry, reader, metadata)
      : this.#node(leaf, entry, metadata);
    if (!isMade) this.#omit(path, KINDS[entry.type]);
  }

  #charge(entry: TarEntry, path: MemberPath, { xattrs }: StoredMetadata): void {
    const budget = this.#budget;
    budget.bytes(xattrs.reduce((sum, { name, value }) => sum + name.length + value.length, 0));
    switch (entry.type) {
      case "file":
        return budget.file(entry.storedSize);
      case "directory":
        // The top directory exists before the restore.
        return path.depth === 0 ? budget.link() : budget.directory();
      case "symlink":
        return budget.symlink(entry.linkPath.length);
      case "hardlink":
        return budget.link();
      default:
        return budget.other();
    }
  }

  /** Makes a symlink, FIFO or device. @returns false if this node cannot or must not have it */
  #node(leaf: Leaf, entry: TarEntry, metadata: StoredMetadata): boolean {
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

  /** Sets the metadata of directories. @returns what was restored */
  finish(): RestoreResult {
    this.#directories.apply(this.#top, (dir, stored, path) => {
      this.#context.throwIfCancelled();
      this.#policy.apply(dir, stored, path);
    });
    return {
      files: this.#files,
      contentBytes: this.#contentBytes,
      diskBytes: this.#budget.diskBytes,
      omitted: this.#omissions.done(),
    };
  }

  #path(name: Uint8Array, what = "path"): MemberPath {
    return memberPath(name, what, this.#maxDepth);
  }

  #directory(tree: ExtractTree, path: MemberPath, metadata: StoredMetadata): void {
    if (path.depth > 0) tree.makeDirectory(tree.leaf(path));
    this.#directories.set(path, metadata);
  }

  #hardlink(linker: HardLinker, leaf: Leaf, entry: TarEntry): void {
    const { path } = leaf;
    const name = entry.pax.get(VENDOR.linkPath) ?? entry.linkPath;
    const target = this.#path(name, "hard link's target");
    if (this.#omitted.has(target.key)) return this.#omit(path, "link");
    const outcome = linker.linkOrCopy(leaf, target);
    if (outcome === "omitted") return this.#omit(path, "link");
    if (outcome === "copied") this.#omissions.add("copied-link", path.bytes);
    this.#files++;
  }

  #omit(path: MemberPath, kind: OmissionKind): void {
    if (!this.#omitted.has(path.key)) this.#budget.keep(path.bytes.length + KEY_BYTES);
    this.#omitted.add(path.key);
    this.#omissions.add(kind, path.bytes);
  }

  /** @returns false if the file system cannot hold a file of such a name or size */
  #file(leaf: Leaf, entry: TarEntry, reader: TarReader, metadata: StoredMetadata): boolean {
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
    this.#files++;
    this.#contentBytes += entry.size;
    return true;
  }

  /** Removes what a lower layer has at a path. */
  #clear({ dir, name }: Leaf, path: MemberPath): void {
    let stat;
    try {
      stat = dir.statEntry(name);
    } catch (error) {
      if (isErrno(error, "ENOENT", ...NAME_REFUSALS)) return;
      throw error;
    }
    deleteEntry(dir, name, this.#trash, this.#removal);
    this.#forget(path, stat);
  }

  #forget(path: MemberPath, stat: Stat): void {
    if (stat.isDirectory) return this.#directories.forget(path);
    this.#budget.refund(stat.nlink === 1 ? takenBytes(stat) : LINK_BYTES);
    if (!stat.isFile) return;
    this.#files--;
    if (stat.nlink === 1) this.#contentBytes -= stat.size;
  }
}

function metadataOf(entry: TarEntry): StoredMetadata {
  const { mode, uid, gid, mtime, pax } = entry;
  return { mode, uid, gid, mtime: timespec(mtime), xattrs: xattrsOfRecords(pax) };
}

function inEntry(error: unknown, entry: TarEntry): unknown {
  const where = `entry ${showName(entry.path)} at offset ${entry.offset}`;
  const mapped = contentError(error);
  return mapped instanceof DaemonError && mapped.code !== "ABORTED"
    ? mapped.withContext(where)
    : error;
}
