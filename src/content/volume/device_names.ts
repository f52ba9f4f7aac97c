/**
 * What devices are called in baselines.
 *
 * Each subvolume has a device number of its own, which the kernel gives out when it is first used: it is
 * another one for a snapshot, and another one after a restart of the machine. What tells that an inode
 * is the same is the subvolume's UUID; a snapshot that this daemon makes of a tree to pack it stands for
 * the tree.
 */

import {
  type DeviceName,
  type Directory,
  isBtrfs,
  isSubvolumeTop,
  subvolumeInfo,
} from "../../linux/mod.ts";

/** Returns the name of `top`'s device: that of `source`, which it is a snapshot of, or its own. */
export function deviceName(top: Directory, source: Directory = top): DeviceName {
  const { devMajor, devMinor } = top.stat();
  return { devMajor, devMinor, ...deviceNameOf(subvolumeInfo(source).uuid) };
}

/** Returns what the device of a subvolume is called. @param uuid hexadecimal */
export function deviceNameOf(uuid: string): Pick<DeviceName, "major" | "minor"> {
  // Half of it is random enough to tell the subvolumes of a node apart.
  return { major: parseInt(uuid.slice(0, 8), 16), minor: parseInt(uuid.slice(8, 16), 16) };
}

/** Returns the name of a tree's device; none for a plain folder, whose device keeps its number. */
export function deviceNamesOf(top: Directory): DeviceName[] {
  return isBtrfs(top) && isSubvolumeTop(top.stat()) ? [deviceName(top)] : [];
}
