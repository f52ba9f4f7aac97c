import type { Directory } from "../linux/mod.ts";

/**
 * Returns what tells a folder from others that are at the same path at another time: its inode number
 * and, where the file system says it, when the inode was made. The number of the device is no part of
 * it, as that may change with each start of the machine.
 */
export function folderIdOf(folder: Directory): string {
  const birth = folder.birth();
  if (!birth) return String(folder.stat().ino);
  return `${birth.ino}@${birth.time.sec}.${String(birth.time.nsec).padStart(9, "0")}`;
}
