/**
 * The steps of a restore by an index, each a request for one Worker on a part of the plan. Every
 * path is written once; directories first, then side by side files and what is no file, then hard
 * links, and the directories' own metadata last.
 */

import type { Digest } from "../../digest.ts";
import type { LocalFile } from "../../spool.ts";
import { Abilities } from "../abilities.ts";
import type { OmissionKind, Omissions } from "../omissions.ts";
import type { Tree } from "../tree.ts";
import { BaselineWriter } from "../baseline/baseline_writer.ts";
import { duplicateFile, LINK_REFUSALS } from "../duplicate_file.ts";
import { binarySearch } from "../../binary_search.ts";
import { compareBytes } from "../../archive/mod.ts";
import {
  type Block,
  dataLoss,
  decodeHeader,
  headerSize,
  KIND,
  type LayerInfo,
  LayerReader,
  readingBlob,
  RECORD,
  verifyBlob,
} from "../../image/mod.ts";
import type { OperationContext } from "../operation.ts";
import { OmissionLog } from "../omissions.ts";
import { newBaselineToken } from "../baseline/tokens.ts";
import { type Directory, isErrno, joinPath, nameDevices, S, splitLast } from "../../linux/mod.ts";
import { deviceNamesOf } from "../volume/device_names.ts";
import { type OpenAreas, openLocalFile, openTree, requireStaging } from "../areas.ts";
import { MetadataPolicy, NAME_REFUSALS, NODE_REFUSALS } from "./metadata_policy.ts";
import { DirectoryCache } from "../directory_cache.ts";
import { OpenPlan, type Range, type RestorePlan, type Unit } from "./restore_plan.ts";
import { restoreContent } from "./restore_content.ts";
import { hasSecondGranularity, storedMetadata } from "./record_metadata.ts";

/** What every step is given. */
export interface StepRequest {
  readonly tree: Tree;
  readonly plan: Pick<RestorePlan, "index" | "blocks" | "files" | "indexDigest">;
  readonly trusted: boolean;
}

export interface RangeRequest extends StepRequest {
  readonly range: Range;
}

export interface FilesRequest extends StepRequest {
  readonly unit: Unit;
  readonly layer: LayerInfo;
  readonly file: LocalFile;
}

/** Failures that say that the index does not describe a tree, which an empty folder takes any. */
const INDEX_FAULTS = ["EEXIST", "EISDIR", "ELOOP", "ENOENT", "ENOTDIR", "EINVAL"] as const;

class Step implements Disposable {
  readonly plan: OpenPlan;
  readonly policy: MetadataPolicy;
  readonly omissions = new OmissionLog();
  readonly dirs: DirectoryCache;
  readonly #top;
  readonly #names: Disposable;

  constructor(areas: OpenAreas, request: StepRequest) {
    requireStaging(request.tree);
    this.plan = new OpenPlan(request.plan);
    this.policy = new MetadataPolicy({
      trusted: request.trusted,
      abilities: new Abilities(areas.staging),
      omissions: this.omissions,
    });
    this.#top = openTree(areas, request.tree);
    this.#names = nameDevices(deviceNamesOf(this.#top));
    this.dirs = new DirectoryCache(this.#top);
  }

  /** The directory of a block; `undefined` where it could not be made. */
  directory(block: Block): Directory | undefined {
    return block.isOmitted(block.self) ? undefined : this.dirs.open(block.path);
  }

  /** Counts an entry that could not be made, which a later backup is not to take for deleted. */
  omit(block: Block, record: number): void {
    const kind = block.kind(record);
    if (kind !== KIND.file && kind !== KIND.link) block.setOmitted(record);
    this.omissions.add(OMITTED_KINDS.get(kind)!, joinPath(block.path, block.name(record)));
  }

  [Symbol.dispose](): void {
    this.#names[Symbol.dispose]();
    this.dirs[Symbol.dispose]();
    this.#top.close();
  }
}

const OMITTED_KINDS = new Map<number, OmissionKind>([
  [KIND.file, "file"],
  [KIND.symlink, "symlink"],
  [KIND.fifo, "fifo"],
  [KIND.character, "device"],
  [KIND.block, "device"],
  [KIND.link, "link"],
]);

/**
 * Runs a step; what cannot be true of any tree is a loss of the index.
 * @returns what was left out
 */
function step(areas: OpenAreas, request: StepRequest, run: (step: Step) => void): Omissions {
  using opened = new Step(areas, request);
  try {
    run(opened);
    return opened.omissions.done();
  } catch (error) {
    if (!isErrno(error, ...INDEX_FAULTS)) throw error;
    throw dataLoss(request.plan.indexDigest, `it describes no tree: ${error.message}`, error);
  }
}

/** Checks a layer's digest. @throws {DaemonError} DATA_LOSS naming it */
export function restoreVerify(
  areas: OpenAreas,
  request: { file: LocalFile; blob: { digest: Digest; size: number } },
  context: OperationContext,
): void {
  using file = openLocalFile(areas, request.file);
  file.advise();
  verifyBlob(file, request.blob, () => context.throwIfCancelled());
}

/** Makes directories, closed to others until their own metadata comes. */
export function restoreDirectories(areas: OpenAreas, request: RangeRequest): Omissions {
  return step(areas, request, ({ plan, dirs, omissions }) => {
    const { start, end } = request.range;
    for (let n = start; n < end; n++) {
      const block = plan.block(n);
      try {
        dirs.make(block.path);
      } catch (error) {
        if (!isErrno(error, ...NAME_REFUSALS)) throw error;
        block.setOmitted(block.self);
        omissions.add("directory", block.path);
      }
    }
  });
}

/** Writes the files of a unit. The layer's digest was checked. */
export function restoreFiles(
  areas: OpenAreas,
  request: FilesRequest,
  context: OperationContext,
): Omissions {
  const { unit, layer } = request;
  using file = openLocalFile(areas, request.file);
  return step(areas, request, (opened) => {
    const { plan, policy } = opened;
    readingBlob(layer.digest, () => {
      using reader = new LayerReader(file, layer.size, layer.rawSize);
      for (let n = unit.start; n < unit.end; n++) {
        if ((n & 15) === 0) context.throwIfCancelled();
        const { directory, record } = plan.file(n);
        const block = plan.block(directory);
        const dir = opened.directory(block);
        const isMade = dir && restoreContent({ dir, block, record, reader, policy, context });
        if (!isMade) opened.omit(block, record);
      }
    });
  });
}

/** Makes symlinks, FIFOs and devices. */
export function restoreOthers(
  areas: OpenAreas,
  request: RangeRequest,
  context: OperationContext,
): Omissions {
  return step(areas, request, (opened) => {
    const { start, end } = request.range;
    for (let n = start; n < end; n++) {
      context.throwIfCancelled();
      const block = opened.plan.block(n);
      for (let record = block.first, last = block.end; record < last; record += RECORD) {
        const kind = block.kind(record);
        if (kind !== KIND.file && kind !== KIND.link) other(opened, block, record, kind);
      }
    }
  });
}

function other(opened: Step, block: Block, record: number, kind: number): void {
  const { policy } = opened;
  const dir = opened.directory(block);
  const name = block.name(record).slice();
  try {
    if (!dir || !makeNode(dir, name, block, record, policy)) return opened.omit(block, record);
  } catch (error) {
    if (!isErrno(error, ...NODE_REFUSALS)) throw error;
    return opened.omit(block, record);
  }
  const stat = policy.applyToEntry(dir, name, storedMetadata(block, record), {
    hasMode: kind !== KIND.symlink,
    path: () => joinPath(block.path, name),
  });
  block.setLocal(record, stat, hasSecondGranularity(stat));
}

/** @returns false for a device that is not allowed. @throws {SystemError} */
function makeNode(
  dir: Directory,
  name: Uint8Array,
  block: Block,
  record: number,
  policy: MetadataPolicy,
): boolean {
  switch (block.kind(record)) {
    case KIND.symlink:
      dir.symlink(block.link(record), name);
      return true;
    case KIND.fifo:
      dir.makeFifo(name, 0o600);
      return true;
    default: {
      if (!policy.allowsDevices) return false;
      const type = block.kind(record) === KIND.character ? S.IFCHR : S.IFBLK;
      dir.makeDevice(name, type | 0o600, block.size(record), block.offset(record));
      return true;
    }
  }
}

/** Makes hard links; what they name is there, unless it was left out. */
export function restoreLinks(
  areas: OpenAreas,
  request: StepRequest,
  context: OperationContext,
): Omissions {
  return step(areas, request, (opened) => {
    const { plan, dirs } = opened;
    const made: { link: Place; target: Place }[] = [];
    const copies = new Map<number, LinkSource>();
    for (const link of links(plan)) {
      context.throwIfCancelled();
      const target = findTarget(plan, link.block.link(link.record));
      if (!target) throw dataLoss(request.plan.indexDigest, "a hard link names what is not there");
      const how = makeLink(opened, link, target, copies);
      if (how === "omitted") opened.omit(link.block, link.record);
      if (how === "linked") made.push({ link, target });
    }
    // Each link has changed the ctime of all names of its inode.
    for (const { link, target } of made) {
      const stat = dirs.open(link.block.path).statEntry(link.block.name(link.record));
      link.block.setLocal(link.record, stat, hasSecondGranularity(stat));
      target.block.setLocal(target.record, stat, hasSecondGranularity(stat));
    }
  });
}

/** An entry as links are made of it. */
interface LinkSource {
  readonly parent: Uint8Array;
  readonly name: Uint8Array;
}

/**
 * Makes a hard link, or a copy where the file system takes no more links of the inode. Links after
 * that are links of the copy.
 * @param copies the last copy of each target, by the position of its record
 */
function makeLink(
  opened: Step,
  link: Place,
  target: Place,
  copies: Map<number, LinkSource>,
): "linked" | "copied" | "omitted" {
  const dir = opened.directory(link.block);
  const hasTarget = !target.block.isOmitted(target.record) &&
    !target.block.isOmitted(target.block.self);
  if (!dir || !hasTarget) return "omitted";
  const from = copies.get(target.record) ?? splitLast(link.block.link(link.record));
  const isFile = target.block.kind(target.record) === KIND.file;
  const name = link.block.name(link.record);
  using source = opened.dirs.openUncached(from.parent);
  try {
    source.link(from.name, dir, name);
    return copies.has(target.record) ? "copied" : "linked";
  } catch (error) {
    if (isErrno(error, ...NAME_REFUSALS)) return "omitted";
    // A file that was left out, for its name or its size.
    if (isErrno(error, "ENOENT") && isFile) return "omitted";
    if (!isErrno(error, ...LINK_REFUSALS)) throw error;
    if (!isFile) return "omitted";
    duplicateFile(source, from.name, dir, name);
    opened.omissions.add("copied-link", joinPath(link.block.path, name));
    copies.set(target.record, { parent: link.block.path.slice(), name: name.slice() });
    return "copied";
  }
}

/** A record and the block that it is in. */
interface Place {
  readonly block: Block;
  readonly record: number;
}

function* links(plan: OpenPlan): Generator<Place> {
  for (let n = 0; n < plan.directories; n++) {
    const block = plan.block(n);
    for (let record = block.first, end = block.end; record < end; record += RECORD) {
      if (block.kind(record) === KIND.link) yield { block, record };
    }
  }
}

/** The record of what is at `path` and no link or directory. */
function findTarget(plan: OpenPlan, path: Uint8Array): Place | undefined {
  const { parent, name } = splitLast(path);
  const directory = binarySearch(plan.directories, (n) => compareBytes(plan.block(n).path, parent));
  if (directory === undefined) return undefined;
  const block = plan.block(directory);
  const record = block.find(name);
  if (record === undefined || block.kind(record) === KIND.link) return undefined;
  return { block, record };
}

/**
 * Gives directories their metadata, those below first.
 * @returns those that a directory must not get before what is below it is done
 */
export function restoreMetadata(
  areas: OpenAreas,
  request: RangeRequest,
): { later: number[]; omitted: Omissions } {
  const later: number[] = [];
  const omitted = step(areas, request, (opened) => {
    for (let n = request.range.end - 1; n >= request.range.start; n--) {
      const block = opened.plan.block(n);
      const dir = opened.directory(block);
      if (!dir) continue;
      const stored = storedMetadata(block, block.self);
      if ((stored.mode & 0o700) !== 0o700) later.push(n);
      else opened.policy.apply(dir, stored, () => block.path);
    }
  });
  return { later, omitted };
}

/** The same for directories that even their owner is to be kept out of; those below first. */
export function restoreClosedDirectories(
  areas: OpenAreas,
  request: StepRequest & { directories: readonly number[] },
): Omissions {
  return step(areas, request, ({ plan, policy, dirs }) => {
    for (const n of [...request.directories].sort((a, b) => b - a)) {
      const block = plan.block(n);
      using dir = dirs.openUncached(block.path);
      policy.apply(dir, storedMetadata(block, block.self), () => block.path);
    }
  });
}

/** Writes the baseline of what was restored. @returns its token */
export function restoreBaseline(areas: OpenAreas, request: StepRequest): string {
  const token = newBaselineToken();
  using file = areas.baselines.createFile(token);
  try {
    const plan = new OpenPlan(request.plan);
    const bytes = new Uint8Array(request.plan.index);
    const header = decodeHeader(bytes);
    const start = headerSize(header.layers.length);
    using writer = new BaselineWriter(file);
    writer.bytes(bytes.subarray(0, start));
    for (let n = 0; n < plan.directories; n++) writer.block(plan.block(n));
    writer.bytes(bytes.subarray(start + header.blockBytes));
    writer.finish();
    waitForTick();
    return token;
  } catch (error) {
    areas.baselines.unlink(token);
    throw error;
  }
}

/** So long after the last file was written, any change of it shows in its ctime. */
const SETTLED_MS = 50;

/** Never notified: waiting on it is a synchronous sleep. */
const SLEEP_CELL = new Int32Array(new SharedArrayBuffer(4));

function waitForTick(): void {
  Atomics.wait(SLEEP_CELL, 0, 0, SETTLED_MS);
}
