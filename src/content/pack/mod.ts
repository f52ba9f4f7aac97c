/**
 * Packing: makes an image of a tree that programs may be writing to.
 *
 * An image is data layers with the content of regular files, a metadata layer with everything else,
 * and an index of all paths. A pack is a delta: given the baseline of the previous image, it reads
 * only files that may have changed, and reuses the layers that hold the others.
 *
 * ```
 *   pack.ts, on the daemon's thread            prepare, part and finish, on content Workers
 *   ───────────────────────────────            ────────────────────────────────────────────
 *   pack ──────── packPrepare ───────────────▶ prepare.ts: verify the baseline, sync dirty pages;
 *     │                                          of a frozen tree, revisit/: plan what to look at
 *     │
 *     ├────────── packPart 0 ────────────────▶ part.ts: take an item from the queue, until none is left
 *     │                                          a directory ▶ scan/walker.ts
 *     │ ◀──────── help ───────────────────────     names in order, beside their previous records
 *     ├────────── packPart 1, 2, … ──────────▶     unchanged ▶ copy the record, read nothing
 *     │            (one a Worker)                  changed   ▶ write/file_packer.ts reads it into
 *     │                                                        write/layer_writer.ts's open layer
 *     │ ◀──────── layer, layer, … ────────────     a subdirectory, a large file ▶ back to the queue
 *     │   onLayer stores each at once            a large file ▶ file_packer.ts
 *     │ ◀──────── result ─────────────────────   result: this part's directories, stale entries,
 *     │                                          a last layer too small to seal, changed directories
 *     └────────── packFinish, all results ───▶ merge/finish.ts, on one Worker
 *                                                1 merged_tree.ts    one tree of all parts, and of
 *                                                                    what a plan retains
 *                                                2 rescan.ts         walk changed directories again
 *                                                3 large_files.ts    put large files' records in place
 *                                                4 hard_links.ts     one content for all names of an inode
 *                                                5 stale_entries.ts  what reused layers hold in vain
 *                                                6 layers_to_rewrite.ts, pack_missing.ts: live files of
 *                                                  layers not worth reusing are packed again
 *                                                7 metadata_layer.ts whiteouts, then all but files
 *       ◀──────── image, index, baseline ─────   8 number_layers.ts, tree_differences.ts: what is
 *                                                  other than in the baseline is written
 * ```
 *
 * **Records.** `scan` builds one block of records a directory (`src/image`). A record says where a
 * file's content is: in a layer of the previous image, in a layer that this pack writes (by a
 * temporary number that names the part), or nowhere yet (a large file, or a further name of an
 * inode that some part packs). The merge replaces the last two kinds and turns temporary numbers
 * into the image's.
 *
 * **Change detection.** A record's file is unchanged if inode, device, ctime, mtime, size, mode and
 * owner are equal. Dirty pages are synced first, because the kernel updates ctime only at the first
 * store to a clean page. A ctime shortly before the sync is recorded as racy, and read by the next
 * pack.
 *
 * **Changes without a walk.** The baseline of a frozen tree has its state, and the file system of some
 * trees lists the inodes that changed since. `revisit/` makes a plan of that: which directories of the
 * baseline are retained without a look, which are amended or listed anew, which are gone, and which
 * were added. Parts look at these only, and the merge takes over the rest. Where anything is in doubt
 * there is no plan, and the tree is walked.
 *
 * **Patches.** Index and baseline are written as what differs from those of the previous image: a patch
 * over its index, if all of that is stored, and a baseline that begins with the previous one's bytes. For
 * that the layers of the baseline keep their numbers, and blocks that nobody has changed stay in the
 * baseline's memory as they are. Every few images all is written, and the layers are numbered anew.
 *
 * **Excludes.** What is to be left out is decided where a directory's names are read (`exclude/`), so
 * that it is neither looked at nor recorded. A baseline of a tree of which something was left out has no
 * state: records cannot tell what has become of that, so the next pack walks.
 *
 * **A tree that changes.** A file that changes while it is read is read again, 4 times at most; a
 * directory that changed after its walk is walked again, 3 times at most. What still changes is
 * packed as it was read last, and counted as unstable. Entries are named by their directory's
 * handle, so that a directory that is moved meanwhile never leads to another path.
 *
 * **Parallelism.** Parts run synchronous loops and read no messages, so they share memory instead
 * (`shared_state.ts`): the queue, claims on inodes with several names, visited directories of the
 * baseline, and the number of layers that the store has yet to take. Part 0 begins alone and asks
 * for help only if there is work for several Workers, since each part costs the image a layer.
 *
 * **Crashes.** Spool files and the new baseline are uncommitted until the caller has stored the
 * image and commits: a killed pack leaves files that the next start deletes, and the previous image
 * stands.
 *
 * The Workers' operations are registered in `../operations/mod.ts`; this entry is the daemon's
 * side.
 */

export { pack, type PackServices } from "./pack.ts";
export { PackStatePool } from "./pack_state_pool.ts";
