/**
 * Notes outside of the journal, in a small file for each tree, whose it is: where the journal is lost or
 * damaged, `wsdaemon state adopt` reads it back. A tree and its record are only believed together: the
 * record names the inode that was published, so that it never lends its owner to another folder.
 *
 * A record is written, durably and in one step, before its workspace becomes AVAILABLE, and removed when
 * its deletion begins: what is deleted in part has none.
 */

import { dirname, join } from "@std/path";
import { digestOf } from "../digest.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { WorkspaceRecord } from "./workspace_record.ts";

const log = logger("workspace");

const VERSION = 1;
const SUFFIX = ".json";
/** Bytes of the largest record that is read. */
const MAX_BYTES = 1 << 16;

/**
 * What a record says of a workspace: all that the journal needs, but its state. Its lineage is not there,
 * so that the images of one that is adopted begin another.
 */
export type RecordedWorkspace = Omit<WorkspaceRecord, "state" | "lineage">;

/** A tree's record, or why it cannot be believed. */
export type FoundRecord =
  | { readonly outcome: "agrees"; readonly workspace: RecordedWorkspace }
  | { readonly outcome: "absent" | "unusable"; readonly problem: string };

/** The records of a root's trees. Methods are synchronous. */
export class TreeRecords {
  readonly #folder: string;
  readonly #trees: string;

  /**
   * @param folder where they are; it is made when the first one is written, its parent must be there
   * @param trees the folder of the published trees
   */
  constructor(folder: string, trees: string) {
    this.#folder = folder;
    this.#trees = trees;
  }

  /** Returns the path of a workspace's record. */
  pathOf(id: string): string {
    return join(this.#folder, `${id}${SUFFIX}`);
  }

  /** Returns the path of a workspace's tree. */
  treeOf(id: string): string {
    return join(this.#trees, id);
  }

  /**
   * Writes the record of a published tree. Where that fails the workspace lacks it, which the log says:
   * a safety net must not keep anybody from working.
   */
  write(workspace: RecordedWorkspace): void {
    const { id } = workspace;
    const path = this.pathOf(id);
    try {
      const tree = treeId(this.treeOf(id));
      if (tree === undefined) throw new Error(`there is no folder ${this.treeOf(id)}`);
      const text = serialize(workspace, tree);
      if (readText(path) === text) return;
      Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      replaceDurably(path, text);
    } catch (error) {
      // One of an earlier workspace would be worse than none.
      this.remove(id);
      log.warn("Cannot note in {path} whose workspace {id} is: {reason}", {
        path,
        id,
        reason: messageOf(error),
      });
    }
  }

  /**
   * Does what {@link write} does without keeping this thread: a change of state that writes the record then
   * finds it as it is to be. Where that fails, the change of state says so.
   */
  async writeAhead(workspace: RecordedWorkspace): Promise<void> {
    const path = this.pathOf(workspace.id);
    try {
      const tree = treeId(this.treeOf(workspace.id));
      if (tree === undefined) return;
      await Deno.mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await replaceDurablyAhead(path, serialize(workspace, tree));
    } catch (error) {
      log.debug("Cannot write {path} ahead: {reason}", { path, reason: messageOf(error) });
    }
  }

  /** Removes a workspace's record, if it is there. */
  remove(id: string): void {
    const path = this.pathOf(id);
    try {
      Deno.removeSync(path);
      syncFolder(this.#folder);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      log.warn("Cannot remove {path}, which says whose workspace {id} was: {reason}", {
        path,
        id,
        reason: messageOf(error),
      });
    }
  }

  /** Returns the ids of all records, sorted. */
  ids(): string[] {
    try {
      return [...Deno.readDirSync(this.#folder)]
        .filter(({ name }) => name.endsWith(SUFFIX))
        .map(({ name }) => name.slice(0, -SUFFIX.length)).sort();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  /** Returns what the record of a published tree says, if it is whole, and of that very tree. */
  read(id: string): FoundRecord {
    const path = this.pathOf(id);
    let text: string | undefined;
    try {
      text = readText(path);
    } catch (error) {
      return { outcome: "unusable", problem: `${path} cannot be read: ${messageOf(error)}` };
    }
    if (text === undefined) return { outcome: "absent", problem: `there is no ${path}` };
    const parsed = parse(text);
    if (typeof parsed === "string") {
      return { outcome: "unusable", problem: `${path} ${parsed}` };
    }
    const { workspace, tree } = parsed;
    if (workspace.id !== id) {
      return { outcome: "unusable", problem: `${path} is of workspace ${workspace.id}` };
    }
    if (tree !== treeId(this.treeOf(id))) {
      return {
        outcome: "unusable",
        problem: `${path} is of another folder than the one that is at ${this.treeOf(id)} now`,
      };
    }
    return { outcome: "agrees", workspace };
  }
}

/** Returns the records of a root. */
export function recordsOf({ root }: { root: string }): TreeRecords {
  return new TreeRecords(join(root, "state", "workspaces"), join(root, "workspaces"));
}

/** Returns what tells a folder from others at its path; `undefined` where there is no folder. */
function treeId(path: string): string | undefined {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  if (!info.isDirectory) return undefined;
  // The device's number may change with each start of the machine.
  return `${info.ino}@${info.birthtime?.getTime() ?? "unknown"}`;
}

function serialize(workspace: RecordedWorkspace, tree: string): string {
  const { id, owner, metaId, remoteStorageDisabled, quotaBytes, checkoutLocation } = workspace;
  const { initializer, createdAt, folder } = workspace;
  const body = {
    version: VERSION,
    ...{ id, owner, metaId, remoteStorageDisabled, quotaBytes, checkoutLocation },
    ...(initializer === undefined ? {} : { initializer }),
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(folder === undefined ? {} : { folder }),
    tree,
  };
  return `${JSON.stringify({ ...body, digest: digestOf(JSON.stringify(body)) })}\n`;
}

/** Returns what a record says, or why it says nothing. */
function parse(text: string): { workspace: RecordedWorkspace; tree: string } | string {
  let whole: Record<string, unknown>;
  try {
    whole = JSON.parse(text);
  } catch {
    return "is damaged";
  }
  const { digest, ...body } = whole ?? {};
  if (body.version !== VERSION) return `has version ${body.version}, and ${VERSION} is read`;
  if (digest !== digestOf(JSON.stringify(body))) return "is damaged";
  const { version: _version, tree, ...workspace } = body;
  // The digest says that this is what was written.
  return { workspace: workspace as unknown as RecordedWorkspace, tree: String(tree) };
}

function readText(path: string): string | undefined {
  try {
    if (Deno.lstatSync(path).size > MAX_BYTES) return "";
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Writes a file that is there as a whole or not at all, also after a power cut. */
function replaceDurably(path: string, text: string): void {
  const temporary = `${path}.new`;
  {
    using file = Deno.openSync(temporary, {
      write: true,
      create: true,
      truncate: true,
      mode: 0o600,
    });
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    file.syncSync();
  }
  Deno.renameSync(temporary, path);
  syncFolder(dirname(path));
}

/** Does what {@link replaceDurably} does without keeping this thread. */
async function replaceDurablyAhead(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  {
    using file = await Deno.open(temporary, {
      write: true,
      create: true,
      truncate: true,
      mode: 0o600,
    });
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    await file.sync();
  }
  await Deno.rename(temporary, path);
  using folder = await Deno.open(dirname(path));
  await folder.sync();
}

/** Makes changes of a folder's entries durable. */
export function syncFolder(path: string): void {
  using folder = Deno.openSync(path);
  folder.syncSync();
}
