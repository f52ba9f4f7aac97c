/**
 * What changed in a tree from one freeze to the next, as the file system tells it.
 *
 * Every inode item has the transaction that wrote it last, and every change of an inode writes it:
 * of its content, its metadata, and of a directory its entries. A snapshot shows all that was written
 * up to the transaction that made it, and nothing of what came later.
 */

import { changedInodes, type Directory, nestedSubvolumes, subvolumeInfo } from "../../linux/mod.ts";
import { deviceNameOf } from "./device_names.ts";
import { openNested } from "./snapshot_tree.ts";
import { parseState } from "./tree_state.ts";
import type { ChangedSubvolume, TreeChanges } from "./volume.ts";

/**
 * Lists the inodes that changed, or may have, between two freezes of a tree. Inodes that are gone are
 * not among them, but the directories are that they were in; nor is what is in subvolumes that were
 * not there before.
 * @param frozen the later freeze
 * @param since the state of the earlier one
 * @param limit the most inodes that are worth a list
 * @throws {SystemError}
 */
export function treeChanges(frozen: Directory, since: string, limit: number): TreeChanges {
  const [outer, ...within] = parseState(since);
  const generations = new Map(within.map(({ uuid, generation }) => [uuid, generation]));
  const { parentUuid } = subvolumeInfo(frozen);
  if (parentUuid !== outer!.uuid) {
    return { problem: "it is another subvolume than the one that was saved last" };
  }
  generations.set(outer!.uuid, outer!.generation);
  const subvolumes: ChangedSubvolume[] = [];
  let count = 0;
  try {
    eachCopy(frozen, (copy) => {
      const { parentUuid: source, createdGeneration } = subvolumeInfo(copy);
      const generation = source === undefined ? undefined : generations.get(source);
      if (source === undefined || generation === undefined) return;
      if (createdGeneration < generation) {
        throw new NoList(
          `its generation went back from ${generation} to ${createdGeneration}`,
        );
      }
      const inodes = new Set<number>();
      changedInodes(copy, generation, ({ inode }) => {
        if (inode > Number.MAX_SAFE_INTEGER) throw new NoList(`inode ${inode} is too large`);
        if (++count > limit) throw new NoList(`more than ${limit} inodes have changed`);
        inodes.add(Number(inode));
      });
      subvolumes.push({ device: deviceNameOf(source), inodes });
    });
  } catch (error) {
    if (error instanceof NoList) return { problem: error.message };
    throw error;
  }
  return { subvolumes };
}

/** Why there is no list of changes; ends the search for them. */
class NoList extends Error {}

/** Calls `visit` for a frozen tree and the copies of subvolumes within it. */
function eachCopy(frozen: Directory, visit: (copy: Directory) => void): void {
  visit(frozen);
  for (const nested of nestedSubvolumes(frozen)) {
    // Nobody changes a frozen tree: what is listed is there.
    using copy = openNested(frozen, nested)?.directory;
    if (copy) eachCopy(copy, visit);
  }
}
