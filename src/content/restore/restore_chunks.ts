/**
 * The steps of a restore that make files of chunks: the files are made empty, then each pack is read
 * once and its chunks are written wherever files have them, then the files get their metadata.
 */

import { createHash } from "node:crypto";
import { ArchiveError } from "../../archive/mod.ts";
import { lowerBound } from "../../binary_search.ts";
import { type Block, dataLoss, type LayerInfo, LayerReader } from "../../image/mod.ts";
import { displayName, type File, isErrno, joinPath, O, sameName } from "../../linux/mod.ts";
import type { LocalFile } from "../../spool.ts";
import { type OpenAreas, openLocalFile } from "../areas.ts";
import type { Omissions } from "../omissions.ts";
import type { OperationContext } from "../operation.ts";
import type { ChunkUnit, SharedChunks } from "./chunk_plan.ts";
import { NAME_REFUSALS } from "./metadata_policy.ts";
import { PRIVATE_MODE } from "./restore_file.ts";
import { type RangeRequest, type RestoreStep, runStep, type StepRequest } from "./step.ts";

/** Where the data of a sparse file goes: its stream has the map, and then all bytes of the extents. */
export interface SparseShape {
  /** The file's number in `SharedPlan.files`. */
  readonly file: number;
  /** Bytes that the map takes at the start of the stream. */
  readonly mapBytes: number;
  /** Float64 pairs: offset and length of each extent. */
  readonly extents: Float64Array;
}

/** A step that writes the chunks of one pack. */
export interface ChunksRequest extends StepRequest {
  readonly unit: ChunkUnit;
  readonly chunks: SharedChunks;
  readonly pack: LayerInfo;
  /** Where the pack is on this node. */
  readonly file: LocalFile;
  /** The shapes of the unit's sparse files. */
  readonly shapes: readonly SparseShape[];
}

/** Makes files of chunks, each of its size and a hole as a whole. */
export function makeChunkedFiles(
  areas: OpenAreas,
  request: RangeRequest,
  context: OperationContext,
): Omissions {
  return runStep(areas, request, (step) => {
    for (let n = request.range.start; n < request.range.end; n++) {
      context.throwIfCancelled();
      const { block, record } = step.plan.file(n);
      if (!makeFile(step, block, record)) step.omit(block, record);
    }
  });
}

function makeFile(step: RestoreStep, block: Block, record: number): boolean {
  const dir = step.open(block);
  const name = block.name(record);
  if (!dir) return false;
  let created: File;
  try {
    created = dir.createFile(name, PRIVATE_MODE);
  } catch (error) {
    if (isErrno(error, ...NAME_REFUSALS)) return false;
    throw error;
  }
  using file = created;
  try {
    file.truncate(block.size(record));
    return true;
  } catch (error) {
    if (!isErrno(error, "EFBIG")) throw error;
    dir.unlink(name);
    return false;
  }
}

/** Sets the metadata of files of chunks, whose content is whole. */
export function finishChunkedFiles(
  areas: OpenAreas,
  request: RangeRequest,
  context: OperationContext,
): Omissions {
  return runStep(areas, request, (step) => {
    for (let n = request.range.start; n < request.range.end; n++) {
      context.throwIfCancelled();
      const { block, record } = step.plan.file(n);
      using file = openMade(step, block, record);
      if (file) step.setMetadata(file, block, record);
    }
  });
}

/**
 * Writes the chunks of a pack into the files that have them, each checked against its digest.
 * @throws {DaemonError} DATA_LOSS naming the pack and a file of which a chunk is damaged; ABORTED
 */
export function restoreChunks(
  areas: OpenAreas,
  request: ChunksRequest,
  context: OperationContext,
): Omissions {
  using packFile = openLocalFile(areas, request.file);
  return runStep(areas, request, (step) => {
    using writer = new ChunkWriter(step, request, packFile);
    for (let n = request.unit.start; n < request.unit.end; n++) {
      context.throwIfCancelled();
      writer.write(n);
      context.report(0, writer.written);
    }
  });
}

/** Reads one chunk of a file, checked against its digest. @throws {DaemonError} DATA_LOSS; ABORTED */
export function readChunk(
  areas: OpenAreas,
  request: StepRequest & {
    /** The file's number in `SharedPlan.files`, and the chunk's in its list. */
    readonly of: { readonly file: number; readonly chunk: number };
    readonly pack: LayerInfo;
    readonly file: LocalFile;
  },
  context: OperationContext,
): Uint8Array {
  context.throwIfCancelled();
  using packFile = openLocalFile(areas, request.file);
  let bytes = new Uint8Array();
  runStep(areas, request, (step) => {
    const { block, record } = step.plan.file(request.of.file);
    const chunk = { block, record, chunk: request.of.chunk };
    namingFile(request.pack, chunk, () => {
      using reader = new LayerReader(packFile, request.pack.size, request.pack.rawSize);
      bytes = readChecked(reader, chunk).slice();
    });
  });
  return bytes;
}

/** A chunk, and the file whose list has it. */
interface ChunkOf {
  readonly block: Block;
  readonly record: number;
  readonly chunk: number;
}

/** Writes chunks of one pack, which come in its order. */
class ChunkWriter implements Disposable {
  readonly #step: RestoreStep;
  readonly #request: ChunksRequest;
  readonly #pack: File;
  readonly #chunks: Uint32Array;
  readonly #positions: Float64Array;
  readonly #sparse: ReadonlyMap<number, SparseTarget>;
  #reader: LayerReader | undefined;
  /** The file that was written to last, and its number. */
  #open: { n: number; file: File | undefined } | undefined;
  /** Bytes so far. */
  written = 0;

  constructor(step: RestoreStep, request: ChunksRequest, pack: File) {
    this.#step = step;
    this.#request = request;
    this.#pack = pack;
    this.#chunks = new Uint32Array(request.chunks.chunks);
    this.#positions = new Float64Array(request.chunks.positions);
    this.#sparse = new Map(request.shapes.map((shape) => [shape.file, new SparseTarget(shape)]));
  }

  write(n: number): void {
    const number = this.#chunks[2 * n]!;
    const { block, record } = this.#step.plan.file(number);
    const chunk = { block, record, chunk: this.#chunks[2 * n + 1]! };
    const { pack } = this.#request;
    const bytes = namingFile(pack, chunk, () => {
      this.#reader ??= new LayerReader(this.#pack, pack.size, pack.rawSize);
      return readChecked(this.#reader, chunk);
    });
    const file = this.#file(number, block, record);
    // What this node cannot hold was counted when it was to be made.
    if (!file) return;
    const position = this.#positions[n]!;
    const sparse = this.#sparse.get(number);
    if (sparse) sparse.write(file, bytes, position);
    else file.writeAt(bytes, position);
    this.written += bytes.length;
  }

  [Symbol.dispose](): void {
    this.#open?.file?.close();
    this.#reader?.[Symbol.dispose]();
  }

  #file(n: number, block: Block, record: number): File | undefined {
    if (this.#open?.n !== n) {
      this.#open?.file?.close();
      this.#open = undefined;
      this.#open = { n, file: openMade(this.#step, block, record) };
    }
    return this.#open.file;
  }
}

/** Tells where the parts of a sparse file's stream belong. */
class SparseTarget {
  readonly #shape: SparseShape;
  /** Where in the stream each extent begins. */
  readonly #starts: Float64Array;

  constructor(shape: SparseShape) {
    const { extents, mapBytes } = shape;
    this.#shape = shape;
    this.#starts = new Float64Array(extents.length / 2);
    let at = mapBytes;
    for (let n = 0; n < this.#starts.length; n++) {
      this.#starts[n] = at;
      at += extents[2 * n + 1]!;
    }
  }

  /** Writes the bytes that the stream has at `position`; passes over those of the map. */
  write(file: File, bytes: Uint8Array, position: number): void {
    const { mapBytes, extents } = this.#shape;
    const starts = this.#starts;
    for (let at = Math.max(0, mapBytes - position); at < bytes.length;) {
      // The last extent that begins at or before; empty ones begin where the next one does.
      const n = lowerBound(starts.length, (n) => starts[n]! <= position + at) - 1;
      const [offset, length] = [extents[2 * n]!, extents[2 * n + 1]!];
      const within = position + at - starts[n]!;
      const part = bytes.subarray(at, at + length - within);
      file.writeAt(part, offset + within);
      at += part.length;
    }
  }
}

/** Returns the bytes of a chunk, valid until the next one is read. */
function readChecked(reader: LayerReader, { block, record, chunk }: ChunkOf): Uint8Array {
  const list = block.chunks(record);
  const [offset, length] = [list.offset(chunk), list.length(chunk)];
  let bytes: Uint8Array | undefined;
  let at = 0;
  reader.read(offset, length, (piece) => {
    if (piece.length === length) {
      bytes = piece;
      return;
    }
    bytes ??= new Uint8Array(length);
    bytes.set(piece, at);
    at += piece.length;
  });
  const digest = createHash("sha256").update(bytes!).digest();
  if (sameName(digest, list.digest(chunk))) return bytes!;
  throw new ArchiveError("malformed", `its bytes from ${offset} on have another digest`);
}

/** Runs `read`, and reports what it finds malformed as damage of the pack and of the file. */
function namingFile<T>(pack: LayerInfo, { block, record }: ChunkOf, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ArchiveError || error instanceof RangeError)) throw error;
    const path = displayName(joinPath(block.path, block.name(record)));
    throw dataLoss(pack.digest, `${error.message}, where the file ${path} has a chunk`, error);
  }
}

/** Opens a file that was made; `undefined` if this node could not make it. */
function openMade(step: RestoreStep, block: Block, record: number): File | undefined {
  const dir = step.open(block);
  if (!dir) return undefined;
  try {
    return dir.openFile(block.name(record), O.RDWR);
  } catch (error) {
    if (isErrno(error, "ENOENT", ...NAME_REFUSALS)) return undefined;
    throw error;
  }
}
