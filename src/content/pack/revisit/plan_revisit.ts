/**
 * Decides what a pack looks at, from the baseline and the inodes that the file system says have
 * changed since the frozen tree that the baseline describes.
 *
 * Why nothing is missed: an entry that is there now either was there before, as the same inode in the
 * same directory, or its directory has changed since. So every directory that changed is listed anew;
 * a directory that is in it and was not, as this inode, is walked with everything in it; and of all
 * other directories the entries are those of the baseline. Of these, inodes that have not changed
 * are as the baseline says.
 */

import { binaryString } from "../../../archive/mod.ts";
import { type Block, KIND, RECORD } from "../../../image/mod.ts";
import {
  type Directory,
  displayName,
  DT,
  joinPath,
  openLongPath,
  splitLast,
  type Stat,
} from "../../../linux/mod.ts";
import type { BaselineReader } from "../../baseline/baseline_reader.ts";
import type { ChangedSubvolume } from "../../volume/volume.ts";
import type { Excludes } from "../exclude/excludes.ts";
import { isReusable } from "../scan/previous_tree.ts";
import { ReadAhead } from "./read_ahead.ts";
import { Changes, RESOLUTION, type RevisitPlan, shareChanges } from "./revisit_plan.ts";

/** What a revisit is planned from. */
export interface RevisitOptions {
  /** The frozen tree, with its devices named. */
  readonly top: Directory;
  /** That of the last image, which is of an earlier freeze of the same tree. */
  readonly baseline: BaselineReader;
  /** What has changed in between. */
  readonly changed: readonly ChangedSubvolume[];
  /** Which layers of the baseline may be reused, by number. */
  readonly reusable: readonly boolean[];
  /** What is left out; absent for nothing. */
  readonly excludes?: Excludes | undefined;
}

/** A contradiction between the baseline and the tree, for which the whole tree is walked. */
export class Contradiction extends Error {}

/**
 * Plans a revisit.
 * @throws {Contradiction} in words that follow "because"
 * @throws {SystemError}
 */
export function planRevisit(options: RevisitOptions): RevisitPlan {
  return new Planner(options).run();
}

/** A directory of the baseline. */
interface BaselineDirectory {
  readonly block: Block;
  readonly number: number;
  readonly path: Uint8Array;
}

class Planner {
  readonly #options: RevisitOptions;
  readonly #changes: Changes;
  /** Ordered by path: a directory comes before those in it. */
  readonly #directories: readonly BaselineDirectory[];
  readonly #resolutions: Uint8Array;
  readonly #shared: SharedArrayBuffer;
  readonly #added: Uint8Array[] = [];
  readonly #ahead = new ReadAhead();
  #byPath: Map<string, BaselineDirectory> | undefined;
  #children: Map<BaselineDirectory, BaselineDirectory[]> | undefined;

  constructor(options: RevisitOptions) {
    this.#options = options;
    this.#changes = new Changes(options.changed);
    this.#directories = options.baseline.all()
      .map(({ block, number }) => ({ block, number, path: block.path }));
    this.#shared = new SharedArrayBuffer(this.#directories.length);
    this.#resolutions = new Uint8Array(this.#shared);
  }

  run(): RevisitPlan {
    const first = this.#directories[0];
    if (first?.path.length !== 0) throw new Contradiction("the baseline has no top folder");
    for (const directory of this.#directories) {
      if (this.#resolutions[directory.number] === RESOLUTION.gone) continue;
      const resolution = isPlaceholder(directory.block)
        ? RESOLUTION.gone
        : this.#resolve(directory.block);
      // A placeholder is on a device of its own, and its times are those at which it is looked at.
      if (resolution === RESOLUTION.gone) this.#added.push(directory.path.slice());
      this.#resolutions[directory.number] = resolution;
      if (resolution === RESOLUTION.relisted) this.#list(directory);
      else if (resolution === RESOLUTION.amended) this.#readAhead(directory);
    }
    return {
      resolutions: this.#shared,
      changed: shareChanges(this.#options.changed),
      added: this.#added,
    };
  }

  /** Returns what becomes of a directory that is still where it was. */
  #resolve(block: Block): number {
    const inodes = this.#changes.of(block);
    if (!inodes) {
      throw new Contradiction(`nothing is known of the subvolume that ${nameOf(block)} is in`);
    }
    if (block.isOmitted(block.self)) {
      throw new Contradiction(`this node could not make the folder ${nameOf(block)}`);
    }
    if (inodes.has(block.inodeNumber(block.self))) return RESOLUTION.relisted;
    let resolution: number = RESOLUTION.retained;
    for (let record = block.first, end = block.end; record < end; record += RECORD) {
      const kind = block.kind(record);
      if (kind === KIND.link && !this.#linksToFile(block, record)) return RESOLUTION.relisted;
      const isMissing = kind === KIND.file &&
        !isReusable(block, record, this.#options.reusable);
      if (isMissing || inodes.has(block.inodeNumber(record))) resolution = RESOLUTION.amended;
    }
    return resolution;
  }

  /**
   * Returns whether a further name is one of a file's. That of a symlink or a device is found by
   * looking at it, since its record does not tell which of them it is.
   */
  #linksToFile(block: Block, record: number): boolean {
    if (block.isOmitted(record)) return true;
    const { parent, name } = splitLast(block.link(record));
    const target = this.#directoryAt(parent)?.block;
    const found = target?.find(name);
    return found !== undefined && target!.kind(found) === KIND.file;
  }

  /** Finds out which directories within a changed one are still those of the baseline. */
  #list(directory: BaselineDirectory): void {
    using dir = this.#open(directory);
    this.#checkCache(directory, dir);
    const before = new Set(this.#childrenOf(directory));
    for (const { name, type } of dir.entries()) {
      if (type !== DT.DIR && type !== DT.UNKNOWN) continue;
      const stat = dir.statEntry(name);
      if (!stat.isDirectory) continue;
      const path = joinPath(directory.path, name);
      const child = this.#directoryAt(path);
      if (child && isSame(child.block, stat)) before.delete(child);
      else this.#added.push(path);
    }
    for (const gone of before) this.#detach(gone);
  }

  #readAhead(directory: BaselineDirectory): void {
    using dir = this.#open(directory);
    this.#checkCache(directory, dir);
    this.#ahead.begin(dir, directory.block, this.#changes.of(directory.block)!);
  }

  /** A plan says nothing of what is left out in a directory that was packed before. */
  #checkCache({ block, path }: BaselineDirectory, dir: Directory): void {
    if (path.length === 0 || !this.#options.excludes?.isCache(dir)) return;
    throw new Contradiction(`${nameOf(block)}, in which something has changed, is a cache`);
  }

  /** Opens a directory; the caller closes it. */
  #open({ block, path }: BaselineDirectory): Directory {
    using stack = new DisposableStack();
    const dir = stack.use(openLongPath(this.#options.top, path));
    if (isSame(block, dir.stat())) {
      stack.move();
      return dir;
    }
    throw new Contradiction(`another folder is at ${nameOf(block)}, though none has changed above`);
  }

  /** Notes that a directory is gone from its path, and what was in it. */
  #detach(directory: BaselineDirectory): void {
    const gone = [directory];
    for (let one = gone.pop(); one; one = gone.pop()) {
      this.#resolutions[one.number] = RESOLUTION.gone;
      for (const child of this.#childrenOf(one)) gone.push(child);
    }
  }

  #directoryAt(path: Uint8Array): BaselineDirectory | undefined {
    this.#byPath ??= new Map(this.#directories.map((one) => [binaryString(one.path), one]));
    return this.#byPath.get(binaryString(path));
  }

  #childrenOf(directory: BaselineDirectory): readonly BaselineDirectory[] {
    this.#children ??= this.#findChildren();
    return this.#children.get(directory) ?? [];
  }

  #findChildren(): Map<BaselineDirectory, BaselineDirectory[]> {
    const children = new Map<BaselineDirectory, BaselineDirectory[]>();
    for (const one of this.#directories) {
      if (one.path.length === 0) continue;
      const parent = this.#directoryAt(splitLast(one.path).parent);
      if (!parent) throw new Contradiction(`the baseline lacks the folder of ${nameOf(one.block)}`);
      const siblings = children.get(parent);
      if (siblings) siblings.push(one);
      else children.set(parent, [one]);
    }
    return children;
  }
}

/**
 * Returns whether a directory is the empty folder that a snapshot which the tree's owner made has in
 * the place of a subvolume (`BTRFS_EMPTY_SUBVOL_DIR_OBJECTID`).
 */
function isPlaceholder(block: Block): boolean {
  return block.inodeNumber(block.self) === 2;
}

function isSame(block: Block, stat: Stat): boolean {
  return block.isInode(block.self, stat);
}

function nameOf(block: Block): string {
  return block.path.length === 0 ? "the top" : displayName(block.path);
}
