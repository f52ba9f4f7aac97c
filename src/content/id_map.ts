/**
 * Users and groups of content by the numbers that they have in containers whose user namespace gives them
 * others than the node: images have the containers' numbers, trees the node's.
 *
 * Set once in each content Worker. Access lists and attributes that have numbers in them stay as they are.
 */

import { nameOwners } from "../linux/mod.ts";
import type { Owner } from "./tree.ts";

/** Numbers that follow each other, in containers and on the node. */
export interface IdRange {
  readonly containerId: number;
  readonly hostId: number;
  readonly size: number;
}

/** Numbers that owners have in archives and images that come from elsewhere, and are to have from now on. */
export interface IdRenumbering {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** Linux's number for a user that has none in a namespace. */
const OVERFLOW_ID = 65534;

let ranges: readonly IdRange[] = [];
let renumberings: readonly IdRenumbering[] = [];

/** Sets the map of this thread; without ranges every number is the same on both sides. */
export function configureIdMap(map: readonly IdRange[]): void {
  ranges = map;
}

/** Sets by which other numbers this thread makes what it restores; those in no range stay. */
export function configureRenumbering(renumber: readonly IdRenumbering[]): void {
  renumberings = renumber;
}

/** Has every stat of this thread tell owners by their numbers in containers, until it is disposed of. */
export function withContainerIds(): Disposable {
  return nameOwners(ranges.length === 0 ? undefined : toContainer);
}

function toContainer(hostId: number): number {
  for (const range of ranges) {
    const offset = hostId - range.hostId;
    if (offset >= 0 && offset < range.size) return range.containerId + offset;
  }
  return OVERFLOW_ID;
}

/** Returns an image's owner by its numbers on the node; `undefined` where it has none there. */
export function hostOwner(owner: Owner): Owner | undefined {
  const [uid, gid] = [renumbered(owner.uid), renumbered(owner.gid)];
  if (ranges.length === 0) return { uid, gid };
  const [hostUid, hostGid] = [toHost(uid), toHost(gid)];
  return hostUid === undefined || hostGid === undefined
    ? undefined
    : { uid: hostUid, gid: hostGid };
}

function renumbered(id: number): number {
  const found = renumberings.find(({ from, count }) => id >= from && id - from < count);
  return found ? found.to + (id - found.from) : id;
}

function toHost(containerId: number): number | undefined {
  for (const range of ranges) {
    const offset = containerId - range.containerId;
    if (offset >= 0 && offset < range.size) return range.hostId + offset;
  }
  return undefined;
}
