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

/** The name of a subvolume's device. */
export type SubvolumeName = Pick<DeviceName, "major" | "minor">;

/** A subvolume that is in a baseline under the name of another, which it is a snapshot of. */
export interface DeviceAlias {
  readonly name: SubvolumeName;
  readonly standsFor: SubvolumeName;
}

/** Returns the name of `top`'s device: that of `source`, which it is a snapshot of, or its own. */
export function deviceName(top: Directory, source: Directory = top): DeviceName {
  const { devMajor, devMinor } = top.stat();
  return { devMajor, devMinor, ...deviceNameOf(subvolumeInfo(source).uuid) };
}

/** Returns what the device of a subvolume is called. @param uuid hexadecimal */
export function deviceNameOf(uuid: string): SubvolumeName {
  // Half of it is random enough to tell the subvolumes of a node apart.
  return { major: parseInt(uuid.slice(0, 8), 16), minor: parseInt(uuid.slice(8, 16), 16) };
}

/** Returns the name of a tree's device; none for a plain folder, whose device keeps its number. */
export function deviceNamesOf(top: Directory): DeviceName[] {
  return isBtrfs(top) && isSubvolumeTop(top.stat()) ? [deviceName(top)] : [];
}

/** Returns devices as a baseline that has these aliases calls them. */
export function devicesInBaseline(
  devices: readonly DeviceName[],
  aliases: readonly DeviceAlias[],
): DeviceName[] {
  return devices.map((device) => ({ ...device, ...nameInBaseline(device, aliases) }));
}

/** Returns what a subvolume is called in a baseline that has these aliases. */
export function nameInBaseline(
  name: SubvolumeName,
  aliases: readonly DeviceAlias[],
): SubvolumeName {
  return aliases.find((alias) => isSameName(alias.name, name))?.standsFor ?? name;
}

/** Returns whether two names are the same. */
export function isSameName(a: SubvolumeName, b: SubvolumeName): boolean {
  return a.major === b.major && a.minor === b.minor;
}
