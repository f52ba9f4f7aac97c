/** The steps of a restore that make the files of one part of a layer, which is in memory, and finish those of several. */

import { type Block, type LayerInfo, readingBlob } from "../../image/mod.ts";
import { release } from "../../memory.ts";
import { type File, ignoreErrno, isErrno, O, SystemError } from "../../linux/mod.ts";
import type { LocalFile } from "../../spool.ts";
import type { OpenAreas } from "../areas.ts";
import type { Omissions } from "../omissions.ts";
import type { OperationContext } from "../operation.ts";
import type { LayerPart } from "./layer_parts.ts";
import { NAME_REFUSALS } from "./metadata_policy.ts";
import { PartReader } from "./part_reader.ts";
import { checkContent } from "./read_content.ts";
import { FILES_PER_CHECK, PRIVATE_MODE, restoreFile } from "./restore_file.ts";
import { type RestoreStep, runStep, type StepRequest } from "./step.ts";

/** A step that restores what is in a part of a layer. */
export interface PartRequest extends StepRequest {
  readonly layer: LayerInfo;
  readonly part: LayerPart;
  /** The part's bytes, which the step frees. The layer's digest is checked when all parts are there. */
  readonly bytes: Uint8Array;
  /** Where in the spool the layer is to be, too; absent for nowhere. Deleted where it cannot be written. */
  readonly copy: LocalFile | undefined;
}

/**
 * Restores the files of a part, and its pieces of those that are in several.
 * @throws {DaemonError} DATA_LOSS naming the layer or the index; ABORTED
 */
export function restorePart(
  areas: OpenAreas,
  request: PartRequest,
  context: OperationContext,
): Omissions {
  const { layer, part, bytes, copy } = request;
  if (copy) copyPart(areas, copy, part, bytes);
  try {
    return runStep(areas, request, (step) => {
      readingBlob(layer.digest, () => {
        using reader = new PartReader(part, bytes);
        new PartWriter(step, part, reader, context).write();
      });
    });
  } finally {
    release(bytes);
  }
}

/**
 * Writes a part to the layer's copy. One that cannot be written is deleted, as the restore does without: the
 * room that it takes may be what the tree needs.
 */
function copyPart(areas: OpenAreas, copy: LocalFile, part: LayerPart, bytes: Uint8Array): void {
  try {
    using file = areas.spool.openFile(copy.path, O.WRONLY | O.NOFOLLOW);
    file.writeAt(bytes, part.start);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    // Another part may have deleted it.
    ignoreErrno(["ENOENT"], () => areas.spool.unlink(copy.path));
  }
}

class PartWriter {
  readonly #step: RestoreStep;
  readonly #part: LayerPart;
  readonly #reader: PartReader;
  readonly #context: OperationContext;
  #files = 0;
  #bytes = 0;

  constructor(
    step: RestoreStep,
    part: LayerPart,
    reader: PartReader,
    context: OperationContext,
  ) {
    this.#step = step;
    this.#part = part;
    this.#reader = reader;
    this.#context = context;
  }

  write(): void {
    const { first, last, continued, rawEnd } = this.#part;
    for (const n of continued) this.#piece(n);
    for (let n = first; n < last; n++) {
      if ((n - first) % FILES_PER_CHECK === 0) this.#tick(0);
      const { block, record } = this.#step.plan.file(n);
      if (block.offset(record) + block.stored(record) > rawEnd) this.#piece(n);
      else this.#whole(block, record);
    }
    this.#tick(0);
  }

  #whole(block: Block, record: number): void {
    const step = this.#step;
    const dir = step.open(block);
    const tick = (written: number) => this.#tick(written);
    const options = { block, record, reader: this.#reader, policy: step.policy, tick };
    const isMade = dir && restoreFile({ dir, ...options });
    if (!isMade) step.omit(block, record);
    this.#files++;
    this.#bytes += block.size(record);
  }

  /** Writes what this part has of a file. What this node cannot hold is told by {@link restoreSplitFiles}. */
  #piece(n: number): void {
    const { block, record } = this.#step.plan.file(n);
    const start = block.offset(record);
    const from = Math.max(start, this.#part.rawStart);
    const to = Math.min(start + block.stored(record), this.#part.rawEnd);
    using file = openPiece(this.#step, block, record);
    if (!file) return;
    let at = from - start;
    let written = 0;
    try {
      this.#reader.read(from, to - from, (piece) => {
        this.#tick(written);
        file.writeAt(piece, at);
        at += piece.length;
        written += piece.length;
      });
    } catch (error) {
      if (!isErrno(error, "EFBIG")) throw error;
    }
    this.#bytes += written;
  }

  #tick(written: number): void {
    this.#context.throwIfCancelled();
    this.#context.report(this.#files, this.#bytes + written);
  }
}

/** Opens a file of several parts, and makes it where no other part has; `undefined` where it cannot be made. */
function openPiece(step: RestoreStep, block: Block, record: number): File | undefined {
  try {
    return step.open(block)?.openOrCreateFile(block.name(record), PRIVATE_MODE);
  } catch (error) {
    if (isErrno(error, ...NAME_REFUSALS)) return undefined;
    throw error;
  }
}

/** A step that finishes files of which all parts are written. */
export interface SplitFilesRequest extends StepRequest {
  readonly layer: LayerInfo;
  /** Their numbers in `SharedPlan.files`. */
  readonly split: readonly number[];
}

/** Sets the metadata of files that are in several parts. @throws {DaemonError} ABORTED */
export function restoreSplitFiles(
  areas: OpenAreas,
  request: SplitFilesRequest,
  context: OperationContext,
): Omissions {
  return runStep(areas, request, (step) => {
    let files = 0;
    for (const n of request.split) {
      context.throwIfCancelled();
      const { block, record } = step.plan.file(n);
      const tick = () => context.throwIfCancelled();
      const isMade = readingBlob(request.layer.digest, () => finish(step, block, record, tick));
      if (!isMade) step.omit(block, record);
      context.report(++files, 0);
    }
  });
}

/**
 * Checks a file and sets its metadata.
 * @returns false where the file system cannot hold it; none is left then
 * @throws {ArchiveError} where the layer has other content
 */
function finish(step: RestoreStep, block: Block, record: number, tick: () => void): boolean {
  const dir = step.open(block);
  const name = block.name(record);
  if (!dir) return false;
  let made: File;
  try {
    made = dir.openFile(name, O.RDWR | O.NOFOLLOW);
  } catch (error) {
    if (isErrno(error, "ENOENT", ...NAME_REFUSALS)) return false;
    throw error;
  }
  using file = made;
  if (file.stat().size !== block.size(record)) {
    // It has grown beyond what a file may have here.
    dir.unlink(name);
    return false;
  }
  checkContent(file, { block, record }, tick);
  step.setMetadata(file, block, record);
  return true;
}
