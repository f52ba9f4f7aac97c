/** Places and removes the file by which a workspace's processes learn that its content is there. */

import { ignoreErrno } from "../../linux/mod.ts";
import { type OpenAreas, openTree } from "../areas.ts";
import { makePath, openPath } from "../open_path.ts";
import { setOwnerAndMode } from "../set_owner_and_mode.ts";
import type { Owner, Tree } from "../tree.ts";

const FOLDER = ".gitpod";
const NAME = "ready";

/** A ready file's place and text. */
export interface ReadyFileRequest {
  tree: Tree;
  text: string;
  owner: Owner;
}

/**
 * Places the ready file, whole and durable, by a rename: what watches the folder sees it appear.
 * Replaces one that is there.
 * @throws {SystemError} where its folder is something else
 */
export function placeReadyFile(areas: OpenAreas, { tree, text, owner }: ReadyFileRequest): void {
  using top = openTree(areas, tree);
  using folder = makePath(top, [FOLDER], owner);
  const temporary = `.${NAME}-${crypto.randomUUID()}`;
  try {
    using file = folder.createFile(temporary);
    file.write(new TextEncoder().encode(text));
    setOwnerAndMode(file, owner, 0o644);
    file.sync();
    folder.rename(temporary, folder, NAME);
  } catch (error) {
    ignoreErrno(["ENOENT"], () => folder.unlink(temporary));
    throw error;
  }
  folder.sync();
  top.sync();
}

/** Removes the ready file. Succeeds where there is none. @throws {SystemError} */
export function removeReadyFile(areas: OpenAreas, { tree }: { tree: Tree }): void {
  using top = openTree(areas, tree);
  ignoreErrno(["ENOENT", "ENOTDIR", "ELOOP"], () => {
    using folder = openPath(top, [FOLDER]);
    folder.unlink(NAME);
  });
}
