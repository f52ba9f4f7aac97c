/** Checks of the root's folder and of its file system, which change nothing that stays. */

import { accessSync, constants } from "node:fs";
import { dirname } from "@std/path";
import type { Config } from "../../config/mod.ts";
import { fileSystemOf, machineErrorNamed } from "../../errors.ts";
import { describeKind, explainChange } from "../entry.ts";
import { type Check, failed, passed, warned } from "./check.ts";

const NAME = "root";
/** The name of checks of the file system. */
export const FILE_SYSTEM = "file system";

/** File systems on which something does not work or was not tried, and what. */
const LIMITED: readonly [type: RegExp, message: string, remedy: string][] = [
  [
    /^(tmpfs|ramfs)$/,
    "keeps content in memory, gone with the next boot, and every backup reads everything",
    "put the root on a disk",
  ],
  [
    /^(nfs4?|cifs|smb3|9p|ceph|glusterfs|fuse(\..*)?)$/,
    "is none that wsdaemon is tested on: it needs flock and change times that never go back",
    "put the root on ext4, XFS or btrfs",
  ],
  [
    /^overlay$/,
    "cannot hold whiteout devices (0:0)",
    "use ext4, XFS or btrfs where content has any",
  ],
];

/** Checks whether the root is there or can be made, and is the daemon's to use. */
export function rootCheck({ root }: Config): Check {
  const info = infoOf(root);
  if (info instanceof Error) {
    return failed(NAME, `Cannot look at ${root}: ${explainChange(info, root)}`);
  }
  if (info && !info.isDirectory) {
    return failed(NAME, `${root} is ${describeKind(info)}, not a folder`, "choose another root");
  }
  const parent = dirname(root);
  if (!info && !isFolder(parent)) {
    return failed(NAME, `${root} cannot be made: there is no folder ${parent}`, "make that folder");
  }
  const needed = info ? root : parent;
  // The permissions say nothing of it.
  if (fileSystemOf(Deno.realPathSync(needed))?.isReadOnly) {
    const { words, remedy } = machineErrorNamed("EROFS")!;
    return failed(
      NAME,
      `${root} cannot be ${info ? "written" : "made"}: ${words}`,
      remedy?.({ path: needed }),
    );
  }
  try {
    accessSync(needed, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    return failed(
      NAME,
      `${needed} cannot be written by uid ${Deno.uid()}: ${explainChange(error, needed)}`,
    );
  }
  return passed(NAME, info ? `${root} is there` : `${root} is not there yet and can be made`);
}

/** Checks what the root's file system is known for. */
export function fileSystemCheck({ root }: Config): Check {
  const folder = nearestFolder(root);
  const found = fileSystemOf(folder);
  if (!found) {
    return warned(FILE_SYSTEM, `the file system of ${folder} is not known`, "mount /proc");
  }
  const { type, mountPoint } = found;
  const limited = LIMITED.find(([pattern]) => pattern.test(type));
  if (!limited) return passed(FILE_SYSTEM, `${type} at ${mountPoint}`);
  return warned(FILE_SYSTEM, `${type} at ${mountPoint} ${limited[1]}`, limited[2]);
}

/** Returns the path, or the nearest folder above it that is there. */
export function nearestFolder(path: string): string {
  return isFolder(path) || path === "/" ? path : nearestFolder(dirname(path));
}

/** Returns whether a folder is at a path, through links. */
export function isFolder(path: string): boolean {
  const info = infoOf(path);
  return info !== undefined && !(info instanceof Error) && info.isDirectory;
}

/** Returns what is at a path, through links; `undefined` where nothing is. */
function infoOf(path: string): Deno.FileInfo | Error | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    return error instanceof Error ? error : new Error(String(error));
  }
}
