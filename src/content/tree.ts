/** The types of trees of content, and of the paths in them. */

/**
 * A content tree: `workspaces/<name>` (published), `staging/<name>` (being made), or `bases/<name>`
 * (a base, or to become one).
 */
export interface Tree {
  readonly area: "workspaces" | "staging" | "bases";
  readonly name: string;
  /** The folder that it must be, where others make folders among the workspaces, too. */
  readonly folder?: TreeFolderClaim;
}

/** The folder that a published tree is, and what removing the tree does to it. */
export interface TreeFolderClaim {
  /** As `Folders.inspect` and `Folders.idOf` return it; {@link NO_FOLDER} for none yet. */
  readonly id: string;
  /**
   * `trash` moves the folder away; `empty` deletes what is in it, because somebody else made it;
   * `emptyAndRemove` removes it, too, unless something is mounted there.
   */
  readonly removal: "trash" | "empty" | "emptyAndRemove";
}

/** The id of no folder: nothing at the tree's path is the tree's. */
export const NO_FOLDER = "none";

/** The user and group that content belongs to, by number. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** A folder of a tree; `folder` is empty for the tree's top. */
export interface TreeFolder {
  readonly tree: Tree;
  readonly folder: string;
}

/** One entry of a directory, as `Content.list` reports it. */
export interface ContentEntry {
  /** The name; bytes that are not UTF-8 read as `\xNN`. */
  name: string;
  type: "file" | "directory" | "symlink" | "other";
  /** Bytes. */
  size: number;
}

/** What is at a path, without following a link there. Names are bytes, as Git has them. */
export type PathState =
  | { type: "absent" | "other" }
  /** An ancestor of the path is not a directory; `blocker` is that ancestor's path. */
  | { type: "blocked"; blocker: Uint8Array }
  | { type: "directory"; isEmpty: boolean }
  | { type: "symlink"; target: Uint8Array }
  | {
    type: "file";
    /** Bytes. */
    size: number;
    mtime: { readonly sec: number; readonly nsec: number };
    /** Permission, set-id and sticky bits. */
    permissions: number;
  };

/** An entry to move; both paths are relative to the folders of the request. */
export interface MovedPath {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/**
 * The outcome of moving one entry. `taken`: another entry is at the destination, or where a parent
 * of it would be. A directory that is `taken` was merged as far as names were free.
 */
export type MoveResult = "moved" | "absent" | "taken";
