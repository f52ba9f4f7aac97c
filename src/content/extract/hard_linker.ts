/** Makes the hard links of an archive or layer, with copies where the file system refuses links. */

import { isErrno, nanoseconds, type Stat } from "../../linux/mod.ts";
import type { MemberPath } from "../../image/mod.ts";
import { duplicateFile, LINK_REFUSALS } from "../duplicate_file.ts";
import type { ExtractTree, Leaf } from "./extract_tree.ts";

/** Makes hard links in one tree, and remembers which files had to be copied. */
export class HardLinker {
  readonly #tree: ExtractTree;
  readonly #onCopy: (stat: Stat) => void;
  /** The last copy of each file that can have no further link, by the file's identity. */
  readonly #copies = new Map<string, { readonly path: MemberPath; readonly stat: Stat }>();

  /** @param onCopy called before a file is copied; throws to refuse it */
  constructor(tree: ExtractTree, onCopy: (stat: Stat) => void) {
    this.#tree = tree;
    this.#onCopy = onCopy;
  }

  /**
   * Makes `leaf` a hard link to what is at `target`, or a copy if the file system takes no more links
   * of that file, or none at all. Later links to the target are links to the copy, so that there are
   * no more copies than needed. Only regular files are copied: other kinds are `omitted`.
   * @throws {DaemonError | SystemError} as {@link ExtractTree.link}
   */
  linkOrCopy(leaf: Leaf, target: MemberPath): "linked" | "copied" | "omitted" {
    const source = this.#copyOf(target) ?? target;
    try {
      this.#tree.link(leaf, source);
      return "linked";
    } catch (error) {
      if (!isErrno(error, ...LINK_REFUSALS)) throw error;
    }
    using parent = this.#tree.open(source.parent);
    const stat = parent.statEntry(source.name);
    if (!stat.isFile) return "omitted";
    this.#onCopy(stat);
    duplicateFile(parent, source.name, leaf.dir, leaf.name);
    const original = source === target ? stat : this.#tree.statAt(target)!;
    this.#copies.set(original.identity, { path: leaf.path, stat: leaf.dir.statEntry(leaf.name) });
    return "copied";
  }

  /** Returns the last copy of what is at a path, unless either has changed since. */
  #copyOf(target: MemberPath): MemberPath | undefined {
    if (this.#copies.size === 0) return undefined;
    const original = this.#tree.statAt(target);
    const copy = original && this.#copies.get(original.identity);
    const stat = copy && this.#tree.statAt(copy.path);
    if (!original || !copy || !stat?.sameInode(copy.stat)) return undefined;
    const isSame = stat.size === original.size &&
      nanoseconds(stat.mtime) === nanoseconds(original.mtime);
    return isSame ? copy.path : undefined;
  }
}
