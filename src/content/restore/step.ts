/**
 * The common part of the steps of a restore by an index. Each step is one request to one Worker for a
 * part of the plan; `restore.ts` has their order.
 */

import { type Block, dataLoss, KIND } from "../../image/mod.ts";
import { type Directory, type File, isErrno, joinPath, nameDevices } from "../../linux/mod.ts";
import { Abilities } from "../abilities.ts";
import { type OpenAreas, openTree, requireStaging } from "../areas.ts";
import { DirectoryCache } from "../directory_cache.ts";
import { type OmissionKind, OmissionLog, type Omissions } from "../omissions.ts";
import type { Tree } from "../tree.ts";
import { deviceNamesOf } from "../volume/device_names.ts";
import { MetadataPolicy } from "./metadata_policy.ts";
import { hasWholeSeconds, storedMetadata } from "./record_metadata.ts";
import { type Range, type SharedPlan, WorkerPlan } from "./worker_plan.ts";

/** The part of a request that is the same for all steps of a restore. */
export interface StepRequest {
  /** The staging tree that is filled. */
  readonly tree: Tree;
  readonly plan: SharedPlan;
  /** Whether this product made the image; see `RestoreOptions.trusted`. */
  readonly trusted: boolean;
}

/** A step on some of the plan's directories. */
export interface RangeRequest extends StepRequest {
  readonly range: Range;
}

/**
 * Errors that only a wrong index causes: the tree was empty, and every valid index describes a tree
 * that can be made in an empty folder.
 */
const INDEX_FAULTS = ["EEXIST", "EISDIR", "ELOOP", "ENOENT", "ENOTDIR", "EINVAL"] as const;

const OMITTED_KINDS = new Map<number, OmissionKind>([
  [KIND.file, "file"],
  [KIND.symlink, "symlink"],
  [KIND.fifo, "fifo"],
  [KIND.character, "device"],
  [KIND.block, "device"],
  [KIND.link, "link"],
]);

/** The open tree and plan of one step. */
export class RestoreStep implements Disposable {
  readonly plan: WorkerPlan;
  readonly policy: MetadataPolicy;
  readonly omissions = new OmissionLog();
  readonly directories: DirectoryCache;
  readonly #top: Directory;
  /** Makes records name devices as baselines do; see `deviceNamesOf`. */
  readonly #deviceNames: Disposable;

  constructor(areas: OpenAreas, request: StepRequest) {
    requireStaging(request.tree);
    this.plan = new WorkerPlan(request.plan);
    this.policy = new MetadataPolicy({
      trusted: request.trusted,
      abilities: new Abilities(areas.staging),
      omissions: this.omissions,
    });
    this.#top = openTree(areas, request.tree);
    this.#deviceNames = nameDevices(deviceNamesOf(this.#top));
    this.directories = new DirectoryCache(this.#top);
  }

  /**
   * Opens the directory that a block describes; `undefined` if it could not be made. The handle is
   * valid until the next call.
   * @throws {SystemError}
   */
  open(block: Block): Directory | undefined {
    return block.isOmitted(block.self) ? undefined : this.directories.open(block.path);
  }

  /** Sets the metadata of a file whose content is whole, and its inode and ctime in its record. */
  setMetadata(file: File, block: Block, record: number): void {
    const path = () => joinPath(block.path, block.name(record));
    const stat = this.policy.apply(file, storedMetadata(block, record), path);
    block.setLocal(record, stat, hasWholeSeconds(stat));
  }

  /**
   * Counts an entry that could not be made. A symlink, FIFO or device is marked too, so that the next
   * backup retains it; a missing file or link is a deleted one for the next backup.
   */
  omit(block: Block, record: number): void {
    const kind = block.kind(record);
    if (kind !== KIND.file && kind !== KIND.link) block.setOmitted(record);
    this.omissions.add(OMITTED_KINDS.get(kind)!, joinPath(block.path, block.name(record)));
  }

  [Symbol.dispose](): void {
    this.#deviceNames[Symbol.dispose]();
    this.directories[Symbol.dispose]();
    this.#top.close();
  }
}

/**
 * Runs a step and returns what it left out.
 * @throws {DaemonError} DATA_LOSS naming the index if it describes what cannot be a tree
 * @throws {SystemError} for what is wrong with this machine
 */
export function runStep(
  areas: OpenAreas,
  request: StepRequest,
  run: (step: RestoreStep) => void,
): Omissions {
  using step = new RestoreStep(areas, request);
  try {
    run(step);
    return step.omissions.done();
  } catch (error) {
    if (!isErrno(error, ...INDEX_FAULTS)) throw error;
    throw dataLoss(request.plan.indexDigest, `it describes no tree: ${error.message}`, error);
  }
}
