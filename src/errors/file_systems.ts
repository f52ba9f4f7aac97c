/** Tells which file system a path is on, for messages. */

/** A mounted file system. */
export interface FileSystem {
  /** Absolute path of where it is mounted. */
  mountPoint: string;
  /** Such as `ext4`. */
  type: string;
  /** Whether it is mounted for reading only; not known where absent. */
  isReadOnly?: boolean;
}

let read: () => readonly FileSystem[] = () => [];

/**
 * Tells this thread which file systems there are; a Worker may not look itself, and is told by the
 * thread that starts it.
 * @param fileSystems called when an error is described. The last of several at one mount point counts
 */
export function configureFileSystems(fileSystems: () => readonly FileSystem[]): void {
  read = fileSystems;
}

/**
 * Returns the file system of an absolute path that leads through no link, where that is known.
 * @param all every file system; what this thread has been told of unless given
 */
export function fileSystemOf(
  path: string,
  all: readonly FileSystem[] = read(),
): FileSystem | undefined {
  const above = all.filter(({ mountPoint }) =>
    `${path}/`.startsWith(mountPoint === "/" ? "/" : `${mountPoint}/`)
  );
  return above.reduce<FileSystem | undefined>(
    (best, one) => one.mountPoint.length >= (best?.mountPoint.length ?? 0) ? one : best,
    undefined,
  );
}

/** Returns words for the file system of a path, such as `the ext4 file system at /var/lib`. */
export function describeFileSystem(path: string | undefined): string {
  const found = path === undefined ? undefined : fileSystemOf(path);
  if (found) return `the ${found.type} file system at ${found.mountPoint}`;
  return path === undefined ? "the file system" : `the file system of ${path}`;
}
