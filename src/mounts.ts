/** Lists the file systems that are mounted. */

import type { FileSystem } from "./errors.ts";

/** A mounted file system, and what it is on. */
export interface MountedFileSystem extends FileSystem {
  /** Such as `/dev/loop0`. */
  source: string;
}

/** Returns every file system that this process sees; the last of several at one mount point is on top. */
export function readFileSystems(): MountedFileSystem[] {
  try {
    const lines = Deno.readTextFileSync("/proc/self/mountinfo").trimEnd().split("\n");
    return lines.map((line) => {
      const [mount, source] = line.split(" - ");
      const [, , , , mountPoint, options] = mount!.split(" ");
      const [type, device, superOptions] = source!.split(" ");
      const isReadOnly = [options, superOptions].some((all) => all?.split(",").includes("ro"));
      return {
        mountPoint: unescape(mountPoint!),
        type: type!,
        source: unescape(device!),
        isReadOnly,
      };
    });
  } catch {
    // Without /proc nothing is known of mounts; a rename across them then fails with EXDEV.
    return [];
  }
}

/** Returns the file systems that hold one of `folders` or are mounted below one. */
export function fileSystemsOf(
  folders: readonly string[],
  all: readonly FileSystem[],
): FileSystem[] {
  const contains = (above: string, path: string) =>
    `${path}/`.startsWith(above === "/" ? "/" : `${above}/`);
  return all.filter(({ mountPoint }) =>
    folders.some((folder) => contains(mountPoint, folder) || contains(folder, mountPoint))
  );
}

/** Decodes a path of `/proc`: the kernel writes blanks and backslashes as octal numbers. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8)));
}
