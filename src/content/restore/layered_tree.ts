/** Applies the entries of an image's layers to a tree, one layer above the other. */

import { type TarEntry, type TarReader, VENDOR } from "../../archive/mod.ts";
import type { Digest } from "../../digest.ts";
import {
  MAX_FOREIGN_DEPTH,
  type MemberPath,
  memberPath,
  whiteoutOf,
  xattrsOfRecords,
} from "../../image/mod.ts";
import { type Directory, type File, isErrno, type Stat, timespec } from "../../linux/mod.ts";
import { Abilities } from "../abilities.ts";
import type { OpenAreas } from "../areas.ts";
import { deleteContents, deleteEntry, type RemovalOptions } from "../delete_entry.ts";
import { takenBytes } from "../disk_usage.ts";
import { DeferredMetadata } from "../extract/deferred_metadata.ts";
import { ExtractTree, type Leaf } from "../extract/extract_tree.ts";
import { HardLinker } from "../extract/hard_linker.ts";
import type { OmissionKind } from "../omissions.ts";
import type { OperationContext } from "../operation.ts";
import type { Tree } from "../tree.ts";
import { groupOf } from "../tree_names.ts";
import { EntryMaker } from "./entry_maker.ts";
import { LayersTally } from "./layers_tally.ts";
import { MetadataPolicy, NAME_REFUSALS, type StoredMetadata } from "./metadata_policy.ts";
import { readLayer } from "./read_layer.ts";
import type { RestoreResult } from "./restore_result.ts";

/** The tree that layers are applied to, and what limits them. */
export interface LayeredTreeOptions {
  readonly tree: Tree;
  /** The most bytes that the tree may take on disk; absent for no limit but the disk. */
  readonly limitBytes: number | undefined;
  /** Whether this product made the image; see `RestoreOptions.trusted`. */
  readonly trusted: boolean;
}

/** One reading of a layer from its start to its end. */
export interface LayerPass {
  readonly reader: TarReader;
  readonly tree: ExtractTree;
  readonly linker: HardLinker;
}

const KINDS = {
  file: "file",
  symlink: "symlink",
  fifo: "fifo",
  "character-device": "device",
  "block-device": "device",
} as const satisfies Partial<Record<TarEntry["type"], OmissionKind>>;

/** A tree that layers are applied to. Directories get their metadata in the end. */
export class LayeredTree {
  readonly #top: Directory;
  readonly #trash: Directory;
  readonly #removal: RemovalOptions;
  readonly #context: OperationContext;
  readonly #trusted: boolean;
  readonly #maxDepth: number;
  readonly #tally: LayersTally;
  readonly #policy: MetadataPolicy;
  readonly #maker: EntryMaker;
  readonly #directories: DeferredMetadata<StoredMetadata>;

  /** @param top of the tree; stays open, and the caller closes it */
  constructor(
    top: Directory,
    { trash, staging }: Pick<OpenAreas, "trash" | "staging">,
    { tree, limitBytes, trusted }: LayeredTreeOptions,
    context: OperationContext,
  ) {
    this.#top = top;
    this.#trash = trash;
    this.#removal = { group: groupOf(tree.name) };
    this.#context = context;
    this.#trusted = trusted;
    this.#maxDepth = trusted ? Infinity : MAX_FOREIGN_DEPTH;
    const tally = new LayersTally({ limitBytes, trusted });
    this.#tally = tally;
    const abilities = new Abilities(staging);
    this.#policy = new MetadataPolicy({ trusted, abilities, omissions: tally.omissions });
    this.#maker = new EntryMaker(this.#policy);
    this.#directories = new DeferredMetadata((bytes) => tally.budget.keep(bytes));
  }

  /**
   * Reads a layer to its end and calls `action` for each entry.
   * @returns the digest of its uncompressed bytes
   * @throws {ArchiveError} where the layer is malformed
   * @throws {DaemonError} what `action` throws, with the entry's name
   */
  async pass(file: File, action: (entry: TarEntry, pass: LayerPass) => void): Promise<Digest> {
    const throwIfCancelled = () => {
      this.#context.throwIfCancelled();
      this.#context.report(this.#tally.files, this.#tally.contentBytes);
    };
    using tree = new ExtractTree(this.#top, {
      implied: () => {
        throwIfCancelled();
        this.#tally.budget.directory();
      },
      removed: (path, stat) => this.#forget(path, stat),
    });
    const linker = new HardLinker(tree, (stat) => {
      throwIfCancelled();
      this.#tally.budget.bytes(takenBytes(stat));
    });
    const options = { trusted: this.#trusted, throwIfCancelled };
    const digest = await readLayer(
      file,
      options,
      (entry, reader) => action(entry, { reader, tree, linker }),
    );
    throwIfCancelled();
    return digest;
  }

  /** Removes what a whiteout removes; does nothing for other entries. */
  remove(entry: TarEntry, { tree }: LayerPass): void {
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
    this.#tally.charge(entry, path, metadata);
    if (entry.type === "directory") return this.#directory(tree, path, metadata);
    const leaf = tree.leaf(path);
    this.#clear(leaf, path);
    this.#tally.replaceOmitted(path);
    if (entry.type === "hardlink") return this.#hardlink(linker, leaf, entry);
    if (entry.type !== "file") {
      if (!this.#maker.node(leaf, entry, metadata)) this.#tally.omit(path, KINDS[entry.type]);
    } else if (this.#maker.file(leaf, entry, reader, metadata)) {
      this.#tally.addFile(entry.size);
    } else {
      this.#tally.omit(path, KINDS.file);
    }
  }

  /** Sets the metadata of directories. @returns what was restored */
  finish(): RestoreResult {
    this.#directories.apply(this.#top, (dir, stored, path) => {
      this.#context.throwIfCancelled();
      this.#policy.apply(dir, stored, path);
    });
    return this.#tally.result();
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
    if (this.#tally.isOmitted(target)) return this.#tally.omit(path, "link");
    const outcome = linker.linkOrCopy(leaf, target);
    if (outcome === "omitted") return this.#tally.omit(path, "link");
    if (outcome === "copied") this.#tally.omissions.add("copied-link", path.bytes);
    this.#tally.addLink();
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
    this.#tally.remove(stat);
  }
}

function metadataOf(entry: TarEntry): StoredMetadata {
  const { mode, uid, gid, mtime, pax } = entry;
  return { mode, uid, gid, mtime: timespec(mtime), xattrs: xattrsOfRecords(pax) };
}
