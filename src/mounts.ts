/** Finds the mount that a path lies on. */

import type { FileSystem } from "./errors.ts";

/** Returns every file system that this process sees; the last of several at one mount point is on top. */
export function readFileSystems(): FileSystem[] {
  try {
    const lines = Deno.readTextFileSync("/proc/self/mountinfo").trimEnd().split("\n");
    return lines.map((line) => {
      const [mount, source] = line.split(" - ");
      const [, , , , mountPoint, options] = mount!.split(" ");
      const [type, , superOptions] = source!.split(" ");
      const isReadOnly = [options, superOptions].some((all) => all?.split(",").includes("ro"));
      return { mountPoint: unescape(mountPoint!), type: type!, isReadOnly };
    });
  } catch {
    // Without /proc nothing is known of mounts; a rename across them then fails with EXDEV.
    return [];
  }
}

/** Returns every mount point of this process, by absolute path. */
export function readMounts(): string[] {
  return ["/", ...readFileSystems().map(({ mountPoint }) => mountPoint)];
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

/** Returns the mount point at or above an absolute path that leads through no link. */
export function mountOf(path: string, mounts: readonly string[]): string {
  const above = mounts.filter((mount) => `${path}/`.startsWith(mount === "/" ? "/" : `${mount}/`));
  return above.reduce((longest, mount) => mount.length > longest.length ? mount : longest, "/");
}

/** Decodes a path of `/proc`: the kernel writes blanks and backslashes as octal numbers. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8)));
}
