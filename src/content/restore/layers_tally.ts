/** Counts what a restore by layers has made so far, and what it has left out. */

import type { TarEntry } from "../../archive/mod.ts";
import type { MemberPath } from "../../image/mod.ts";
import type { Stat } from "../../linux/mod.ts";
import { Budget } from "../budget.ts";
import { LINK_BYTES, takenBytes } from "../disk_usage.ts";
import { type OmissionKind, OmissionLog } from "../omissions.ts";
import type { StoredMetadata } from "./metadata_policy.ts";
import type { RestoreResult } from "./restore_result.ts";

/** Bytes of heap that a name in a set takes besides its own. */
const KEY_BYTES = 64;

/** Options of a {@link LayersTally}. */
export interface TallyOptions {
  /** The most bytes that the tree may take on disk; absent for no limit but the disk. */
  readonly limitBytes: number | undefined;
  /** Whether this product made the image; see `RestoreOptions.trusted`. */
  readonly trusted: boolean;
}

/** The files, bytes and omissions of a tree that layers are applied to. */
export class LayersTally {
  /** What the tree takes on disk and the restore in memory; throws beyond its limits. */
  readonly budget: Budget;
  /** What was not restored as the image has it. */
  readonly omissions: OmissionLog = new OmissionLog();
  #files = 0;
  #contentBytes = 0;
  /** Paths of entries that were left out: hard links to them are left out too. */
  readonly #omitted = new Set<string>();

  constructor({ limitBytes, trusted }: TallyOptions) {
    this.budget = new Budget({ subject: "image", limitBytes, trusted });
  }

  /** Files so far. */
  get files(): number {
    return this.#files;
  }

  /** Apparent bytes of the files so far. */
  get contentBytes(): number {
    return this.#contentBytes;
  }

  /** Charges an entry that is about to be made. @throws {DaemonError} RESOURCE_EXHAUSTED */
  charge(entry: TarEntry, path: MemberPath, { xattrs }: StoredMetadata): void {
    const { budget } = this;
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

  /** Counts a regular file of `size` bytes. */
  addFile(size: number): void {
    this.#files++;
    this.#contentBytes += size;
  }

  /** Counts a further name of a regular file, or a copy of it in place of that. */
  addLink(): void {
    this.#files++;
  }

  /** Subtracts an entry that was removed and was no directory. @param stat its metadata before */
  remove(stat: Stat): void {
    this.budget.refund(stat.nlink === 1 ? takenBytes(stat) : LINK_BYTES);
    if (!stat.isFile) return;
    this.#files--;
    if (stat.nlink === 1) this.#contentBytes -= stat.size;
  }

  /** Counts an entry that was left out. @throws {DaemonError} RESOURCE_EXHAUSTED */
  omit(path: MemberPath, kind: OmissionKind): void {
    if (!this.#omitted.has(path.key)) this.budget.keep(path.bytes.length + KEY_BYTES);
    this.#omitted.add(path.key);
    this.omissions.add(kind, path.bytes);
  }

  /** Returns whether the last entry at a path was left out. */
  isOmitted(path: MemberPath): boolean {
    return this.#omitted.has(path.key);
  }

  /** Notes that another entry is about to be made at a path. */
  replaceOmitted(path: MemberPath): void {
    if (this.#omitted.size > 0) this.#omitted.delete(path.key);
  }

  /** Returns what was restored so far. */
  result(): RestoreResult {
    return {
      files: this.#files,
      contentBytes: this.#contentBytes,
      diskBytes: this.budget.diskBytes,
      omitted: this.omissions.done(),
    };
  }
}
