/** The messages by which the process starts a content Worker. */

import type { FileSystem } from "../errors.ts";
import type { ConfinementSupport } from "../linux/mod.ts";
import type { IdRange, IdRenumbering } from "./id_map.ts";
import type { ContentPriority } from "./priority.ts";

/** The absolute paths of the areas, the folders that a content Worker may reach. */
export interface Areas {
  workspaces: string;
  staging: string;
  trash: string;
  spool: string;
  /** Git's private folders, one for each use. */
  scratch: string;
  baselines: string;
  /** Read-only trees of images that were restored or saved here; closed to others. */
  bases: string;
  /** Layers that are kept of a store elsewhere; closed to others. */
  cache: string;
  /** Absent where the store is not on this file system. */
  blobs?: string;
}

/**
 * The first message to a content Worker: the library and the areas that it opens, and the port of its
 * requests.
 */
export interface ContentWorkerStart {
  kind: "start";
  /** Absolute path of libc, the one library that the Worker may load. */
  libc: string;
  areas: Areas;
  /** What the Worker binds its thread by before it serves; nothing but Deno's permissions if absent. */
  confinement?: ConfinementSupport | undefined;
  /** The file systems of the areas, for errors; the Worker may not look. */
  fileSystems?: readonly FileSystem[];
  /** Numbers of users and groups in images and on this node; the same where it is absent. */
  idMap?: readonly IdRange[];
  /** How the Worker shares processors and disks; as its spawner does where it is absent. */
  priority?: ContentPriority;
  /** Other numbers for the owners of what is restored or extracted; the same where it is absent. */
  renumber?: readonly IdRenumbering[];
  /** Further areas in which nothing is to change. */
  readOnly?: readonly (keyof Areas)[];
  /** The port that requests arrive on; the Worker owns it. */
  port: MessagePort;
}

/** The answer of a content Worker that cannot start; it serves no requests. */
export interface ContentWorkerFailed {
  kind: "failed";
  message: string;
}

/** The answer of a content Worker that is bound and serves. */
export interface ContentWorkerServing {
  kind: "serving";
  /** Why it does not have the priority that it was to have. */
  priorityRefused?: string | undefined;
}

/** What a content Worker answers. */
export type FromContentWorker = ContentWorkerServing | ContentWorkerFailed;
