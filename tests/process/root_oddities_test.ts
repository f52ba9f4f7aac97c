/** What lies where the daemon has its folders and files either makes way or is named, with what to do. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { Areas } from "../../src/content/worker_start.ts";
import { lockRoot } from "../../src/process/lock.ts";
import { makeAreas, prepareRoot } from "../../src/process/root.ts";
import { StartError } from "../../src/errors.ts";
import { testFolder } from "../fixtures/folder.ts";
import { ODDITIES, type Oddity } from "../fixtures/oddities.ts";
import { configOf } from "./fixture.ts";

/** Folders of temporary content, and of what only speeds backups up. */
const DISPLACEABLE = ["tmp", "tmp/staging", "tmp/trash", "tmp/spool", "tmp/git", "state/baselines"];
const FOLDERS = ["state", "workspaces", "store"];
const FILES = ["lock", "state.db", "state.db-journal", "state.db-wal", "state.db-shm"]
  .concat("state.db.reserve").map((name) => `state/${name}`);

/** Does what a start does to a root before it starts any Worker. */
function start(root: string): Areas {
  const config = prepareRoot(configOf({ root }));
  using _lock = lockRoot(config.root);
  return makeAreas(config);
}

/** Starts beside something odd. @returns why it does not start, if it does not */
function startBeside(kind: Oddity, path: string): string | undefined {
  using folder = testFolder();
  const root = join(folder.path, "root");
  const outside = join(folder.path, "outside");
  Deno.mkdirSync(outside);
  Deno.writeTextFileSync(join(outside, "sentinel"), "precious", { mode: 0o640 });
  const before = entriesOf(outside);
  const areas = Object.values(start(root));
  const at = join(root, path);
  if (areas.includes(at) || DISPLACEABLE.includes(path) || FOLDERS.includes(path)) {
    Deno.removeSync(at, { recursive: true });
  } else if (path === "state/lock") {
    Deno.removeSync(at);
  }
  using _odd = kind.put(at, outside);
  try {
    for (const area of Object.values(start(root))) assertEquals(kindOf(area), "folder", area);
    return undefined;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    assertStringIncludes(error.message, at);
    assertMatch(error.message, /move it away|remove it|chattr -i -a|unmount|make an empty file/);
    assertEquals(error.message.includes("\n"), false);
    return error.message;
  } finally {
    // Where a file system is mounted, the daemon's folders may well lie on it.
    const after = entriesOf(outside).filter((entry) =>
      kind.name !== "a mount" || entry.startsWith("sentinel")
    );
    assertEquals(after, before, path);
  }
}

/** Name, mode, time and content of each. */
function entriesOf(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => {
    const { mode, mtime, isFile } = Deno.lstatSync(join(folder, name));
    const content = isFile ? Deno.readTextFileSync(join(folder, name)) : "";
    return [name, mode, mtime?.getTime(), content].join();
  });
}

function kindOf(path: string): string {
  const { isDirectory, isFile } = Deno.lstatSync(path);
  return isDirectory ? "folder" : isFile ? "file" : "other";
}

for (const kind of ODDITIES) {
  Deno.test(`${kind.name} in the place of a folder or file of the root makes way, or is named with a remedy`, () => {
    const isFolder = /^(?:a|another user's unreadable) (?:folder|mount)/.test(kind.name);
    for (const path of DISPLACEABLE) {
      const refusal = startBeside(kind, path);
      const isStuck = kind.isStuck && (!isFolder || kind.name === "a mount");
      if (!isStuck) assertEquals(refusal, undefined, path);
    }
    for (const path of FOLDERS) {
      const refusal = startBeside(kind, path);
      if (!isFolder) assertStringIncludes(refusal ?? `${path} passes`, "not a folder");
    }
    if (kind.name === "a mount") {
      for (const path of ["workspaces", "tmp", "tmp/staging", "tmp/trash"]) {
        assertStringIncludes(startBeside(kind, path) ?? `${path} passes`, "different mounts");
      }
    }
    for (const path of FILES) {
      const refusal = startBeside(kind, path);
      if (kind.name === "a file") assertEquals(refusal, undefined, path);
      else if (kind.name !== "an immutable file") {
        assertStringIncludes(refusal ?? `${path} passes`, "not a file");
      }
    }
  });
}
