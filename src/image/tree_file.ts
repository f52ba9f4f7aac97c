/**
 * The form that index blobs and baselines share: a header, the table of layers, the blocks ordered
 * by path, and the stale entries; little-endian. A **whole** file has all of a tree. A **patch** has what
 * differs from the file below it: its blocks are those that are new or other there, its stale entries those
 * that are added, and its removals what is there no more. Each has a whole table of layers, in which a layer
 * keeps its number along a chain of patches.
 *
 * Version 1 has neither patches nor layers that are not in use, and records have no digests.
 */

import { type Digest, hexOf, sha256Digest } from "../digest.ts";
import type { LayerDescriptor } from "./layer_descriptor.ts";

/** The bytes `wsdtree1`, with which a tree file begins. */
export const MAGIC = 0x31_65_65_72_74_64_73_77n;
/** The version that is written. */
const VERSION = 2;
/** The versions that are read. */
export const VERSIONS = [1, 2] as const;
/** Bytes of the header. */
export const HEADER = 48;
/** Bytes of one layer in the table that follows the header. */
export const LAYER = 88;
/** Bytes that a patch has after the table: digest of the file below, u32 removals, u32 zero, f64 their bytes. */
export const PATCH = 48;
/** Bytes before the path of a stale entry or of a removal: u32 layer, u32 length. */
export const STALE_HEAD = 8;
/** In place of the layer of a removal: it is a directory that is removed. */
export const REMOVED_DIRECTORY = 0xffff_ffff;

/** Flags of a layer in the table, a bit each. */
const LAYER_FLAG = { metadata: 1, unused: 2, chunks: 4 } as const;
const KNOWN_FLAGS = LAYER_FLAG.metadata | LAYER_FLAG.unused | LAYER_FLAG.chunks;

/** The diff id of a chunk pack. */
export const NO_DIFF_ID: Digest = sha256Digest("0".repeat(64));

/** A layer of the image. */
export interface LayerInfo extends LayerDescriptor {
  /** Uncompressed bytes. */
  readonly rawSize: number;
  /** Whether it is the metadata layer, which comes last, whatever its number; no later image reuses it. */
  readonly isMetadata: boolean;
  /** Whether it is only the number of a layer that the image no longer has. */
  readonly isUnused?: boolean;
}

/** A number in the table that no layer has any more. */
export const UNUSED_LAYER: LayerInfo = {
  digest: sha256Digest("0".repeat(64)),
  diffId: NO_DIFF_ID,
  size: 0,
  rawSize: 0,
  isMetadata: false,
  isUnused: true,
};

/** Returns the layers and chunk packs that an image with this table has, in the order of its manifest. */
export function layersInUse(table: readonly LayerInfo[]): LayerInfo[] {
  const used = table.filter(({ isUnused }) => !isUnused);
  return [
    ...used.filter(({ isMetadata }) => !isMetadata),
    ...used.filter(({ isMetadata }) => isMetadata),
  ];
}

/** A path that a reused layer holds and that is no longer what the layer says. */
export interface StaleEntry {
  readonly layer: number;
  readonly path: Uint8Array;
}

/** What makes a tree file a patch. */
export interface PatchHeader {
  /** Digest of the file below it. */
  readonly below: Digest;
  /** How many removals there are. */
  readonly removals: number;
  readonly removalBytes: number;
}

/** The content of a header. */
export interface TreeHeader {
  readonly layers: readonly LayerInfo[];
  /** How many blocks there are. */
  readonly blocks: number;
  readonly blockBytes: number;
  /** How many stale entries there are. */
  readonly stale: number;
  readonly staleBytes: number;
  /** Absent for a whole file. */
  readonly patch?: PatchHeader;
}

/** Returns the bytes of the header and the table. */
export function headerSize(layers: number): number {
  return HEADER + layers * LAYER;
}

/** Returns where the blocks begin. */
export function blocksAt({ layers, patch }: TreeHeader): number {
  return headerSize(layers.length) + (patch ? PATCH : 0);
}

/** Returns the bytes of the whole file. */
export function treeFileSize(header: TreeHeader): number {
  return blocksAt(header) + header.blockBytes + header.staleBytes +
    (header.patch?.removalBytes ?? 0);
}

/** Encodes the header, the table of layers and what a patch has besides: all before the blocks. */
export function encodeHeader(header: TreeHeader): Uint8Array {
  const { patch } = header;
  const bytes = new Uint8Array(blocksAt(header));
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, MAGIC, true);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, header.layers.length, true);
  view.setUint32(16, header.blocks, true);
  view.setUint32(20, header.stale, true);
  view.setFloat64(24, header.blockBytes, true);
  view.setFloat64(32, header.staleBytes, true);
  view.setUint32(40, patch ? 1 : 0, true);
  header.layers.forEach((layer, n) => {
    const at = headerSize(n);
    bytes.set(fromHex(hexOf(layer.digest)), at);
    bytes.set(fromHex(hexOf(layer.diffId)), at + 32);
    view.setFloat64(at + 64, layer.size, true);
    view.setFloat64(at + 72, layer.rawSize, true);
    view.setUint32(at + 80, flagsOf(layer), true);
  });
  if (patch) {
    const at = headerSize(header.layers.length);
    bytes.set(fromHex(hexOf(patch.below)), at);
    view.setUint32(at + 32, patch.removals, true);
    view.setFloat64(at + 40, patch.removalBytes, true);
  }
  return bytes;
}

function flagsOf({ isMetadata, isUnused, isChunks }: LayerInfo): number {
  return (isMetadata ? LAYER_FLAG.metadata : 0) | (isUnused ? LAYER_FLAG.unused : 0) |
    (isChunks ? LAYER_FLAG.chunks : 0);
}

/** Returns how many layers the table has. @throws {RangeError} where `bytes` begin no such file */
export function layerCount(bytes: Uint8Array): number {
  const view = viewOf(bytes);
  if (bytes.length < HEADER || view.getBigUint64(0, true) !== MAGIC) {
    throw new RangeError("it is no wsdaemon tree file");
  }
  const version = view.getUint32(8, true);
  if (!VERSIONS.some((known) => known === version)) {
    throw new RangeError(`its version is ${version}, not ${VERSIONS.join(" or ")}`);
  }
  return view.getUint32(12, true);
}

/**
 * Decodes what {@link encodeHeader} made.
 * @throws {RangeError} where the bytes are not well-formed
 */
export function decodeHeader(bytes: Uint8Array): TreeHeader {
  const count = layerCount(bytes);
  if (bytes.length < headerSize(count)) throw new RangeError("it ends within its table of layers");
  const view = viewOf(bytes);
  const layers: LayerInfo[] = [];
  for (let n = 0; n < count; n++) {
    const at = headerSize(n);
    const flags = view.getUint32(at + 80, true);
    if ((flags & ~KNOWN_FLAGS) !== 0) throw new RangeError(`a layer has an unknown flag, ${flags}`);
    layers.push({
      digest: digestAt(bytes, at),
      diffId: digestAt(bytes, at + 32),
      size: wholeNumber(view.getFloat64(at + 64, true), "a layer's size"),
      rawSize: wholeNumber(view.getFloat64(at + 72, true), "a layer's size"),
      isMetadata: (flags & LAYER_FLAG.metadata) !== 0,
      ...(flags & LAYER_FLAG.chunks ? { isChunks: true } : {}),
      ...(flags & LAYER_FLAG.unused ? { isUnused: true } : {}),
    });
  }
  const patch = decodePatch(bytes, count);
  return {
    layers,
    blocks: view.getUint32(16, true),
    stale: view.getUint32(20, true),
    blockBytes: wholeNumber(view.getFloat64(24, true), "the blocks' size"),
    staleBytes: wholeNumber(view.getFloat64(32, true), "the stale entries' size"),
    ...(patch ? { patch } : {}),
  };
}

function decodePatch(bytes: Uint8Array, layers: number): PatchHeader | undefined {
  const view = viewOf(bytes);
  if (view.getUint32(40, true) === 0) return undefined;
  const at = headerSize(layers);
  if (bytes.length < at + PATCH) throw new RangeError("it ends before its blocks");
  return {
    below: digestAt(bytes, at),
    removals: view.getUint32(at + 32, true),
    removalBytes: wholeNumber(view.getFloat64(at + 40, true), "the removals' size"),
  };
}

/** Encodes stale entries, one after the other in the order given. */
export function encodeStale(stale: readonly StaleEntry[]): Uint8Array {
  const bytes = new Uint8Array(stale.reduce((sum, { path }) => sum + STALE_HEAD + path.length, 0));
  const view = viewOf(bytes);
  let at = 0;
  for (const { layer, path } of stale) {
    view.setUint32(at, layer, true);
    view.setUint32(at + 4, path.length, true);
    bytes.set(path, at + STALE_HEAD);
    at += STALE_HEAD + path.length;
  }
  return bytes;
}

/**
 * Decodes `count` stale entries.
 * @throws {RangeError} where the bytes are not exactly that many
 */
export function decodeStale(bytes: Uint8Array, count: number): StaleEntry[] {
  const view = viewOf(bytes);
  const stale: StaleEntry[] = [];
  let at = 0;
  while (stale.length < count) {
    const length = view.getUint32(at + 4, true);
    const end = at + STALE_HEAD + length;
    if (end > bytes.length) throw new RangeError("a stale entry leaves the file");
    stale.push({ layer: view.getUint32(at, true), path: bytes.slice(at + STALE_HEAD, end) });
    at = end;
  }
  if (at !== bytes.length) throw new RangeError("bytes follow the stale entries");
  return stale;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function wholeNumber(value: number, what: string): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${what} is no whole number`);
  return value;
}

function digestAt(bytes: Uint8Array, at: number): Digest {
  return sha256Digest(Array.from(bytes.subarray(at, at + 32), hexByte).join(""));
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, n) => parseInt(hex.substr(2 * n, 2), 16));
}
