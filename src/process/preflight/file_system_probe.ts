/** Finds out by trying whether the root's file system and the kernel can do what content needs. */

import { join } from "@std/path";
import type { Config } from "../../config/mod.ts";
import { reasonOf } from "../../errors.ts";
import { bytesOf, Directory, openLibc } from "../../linux/mod.ts";
import { libcPath } from "../libc.ts";
import { type Check, failed, passed, warned } from "./check.ts";
import { FILE_SYSTEM, isFolder } from "./root_checks.ts";

/** Checks by trying whether the root's file system can do what content needs; nothing is left in it. */
export function fileSystemProbe({ root }: Config): Check[] {
  if (!isFolder(root)) return [];
  let folder: string;
  try {
    folder = Deno.makeTempDirSync({ dir: root, prefix: ".doctor-" });
  } catch (error) {
    return [failed(FILE_SYSTEM, `Cannot make a folder in ${root}: ${reasonOf(error)}`)];
  }
  try {
    const found = ABILITIES.flatMap(([what, attempt]) => tried(what, () => attempt(folder)) ?? []);
    return found.length > 0 ? found : [passed(FILE_SYSTEM, `it can ${WHAT}`)];
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** What restores leave out where it does not work. */
const SPARABLE = "keep extended attributes";

/** What is tried in a folder of its own, one after the other. */
const ABILITIES: readonly [what: string, attempt: (folder: string) => void][] = [
  ["write and sync a file", (folder) => {
    using file = Deno.createSync(join(folder, "file"));
    file.writeSync(new TextEncoder().encode("doctor"));
    file.syncSync();
  }],
  ["lock a file", (folder) => {
    using file = Deno.openSync(join(folder, "file"), { write: true });
    file.lockSync(true);
  }],
  ["link a file", (folder) => Deno.linkSync(join(folder, "file"), join(folder, "hard"))],
  ["make a symbolic link", (folder) => Deno.symlinkSync("file", join(folder, "soft"))],
  ["tell names by their case", (folder) => {
    using _file = Deno.openSync(join(folder, "FILE"), { write: true, createNew: true });
  }],
  ["keep modes", (folder) => {
    Deno.chmodSync(join(folder, "file"), 0o4711);
    const mode = Deno.statSync(join(folder, "file")).mode! & 0o7777;
    if (mode !== 0o4711) throw new Error(`a mode of 4711 became ${mode.toString(8)}`);
  }],
  ["rename over a file", (folder) => Deno.renameSync(join(folder, "hard"), join(folder, "FILE"))],
  ["open a path beneath a folder only (openat2)", (folder) => {
    using directory = open(folder);
    using _file = directory.openFile("file");
  }],
  ["rename without replacing (renameat2)", (folder) => {
    using directory = open(folder);
    directory.rename("FILE", directory, "renamed", { exclusive: true });
  }],
  [SPARABLE, (folder) => {
    using directory = open(folder);
    using file = directory.createFile("attributed");
    file.setXattr(bytesOf("user.doctor"), bytesOf("1"));
  }],
];

const WHAT = ABILITIES.map(([what]) => what).join(", ");

function tried(what: string, attempt: () => void): Check | undefined {
  try {
    attempt();
    return undefined;
  } catch (error) {
    const report = what === SPARABLE ? warned : failed;
    return report(
      FILE_SYSTEM,
      `the root's file system cannot ${what}: ${reasonOf(error)}`,
      "put the root on ext4, XFS or btrfs",
    );
  }
}

/** Opens a folder for system calls, in whose messages it has its own name. */
function open(folder: string): Directory {
  openLibc(libcPath());
  return Directory.open(folder);
}
