/**
 * The form that index blobs and baselines share: a header, the table of layers, the blocks ordered
 * by path, and the stale entries. Version 1; little-endian.
 */

import { type Digest, hexOf, sha256Digest } from "../digest.ts";
import type { LayerDescriptor } from "./layer_descriptor.ts";

/** The bytes `wsdtree1`, with which a tree file begins. */
export const MAGIC = 0x31_65_65_72_74_64_73_77n;
/** The versions that are read; the first one is written where nothing needs the second. */
export const VERSION = 1;
/** The version of a tree with chunk packs. */
export const VERSION_2 = 2;
/** Bytes of the header. */
export const HEADER = 48;
/** Bytes of one layer in the table that follows the header. */
export const LAYER = 88;
/** Bytes before the path of a stale entry: u32 layer, u32 length. */
export const STALE_HEAD = 8;

/** Flags of a layer in the table, a bit each. */
const LAYER_FLAG = { metadata: 1, chunks: 4 } as const;

/** The diff id of a chunk pack. */
export const NO_DIFF_ID: Digest = sha256Digest("0".repeat(64));

/** A layer of the image. */
export interface LayerInfo extends LayerDescriptor {
  /** Uncompressed bytes. */
  readonly rawSize: number;
  /** Whether it is the metadata layer, which no later image reuses. */
  readonly isMetadata: boolean;
  /** Whether it is a chunk pack, which is no layer to other tools; it has no diff id. */
  readonly isChunks?: boolean;
}

/** A path that a reused layer holds and that is no longer what the layer says. */
export interface StaleEntry {
  readonly layer: number;
  readonly path: Uint8Array;
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
}

/** Returns the bytes of the header and the table. */
export function headerSize(layers: number): number {
  return HEADER + layers * LAYER;
}

/** Encodes the header and the table of layers. */
export function encodeHeader(header: TreeHeader): Uint8Array {
  const bytes = new Uint8Array(headerSize(header.layers.length));
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, MAGIC, true);
  const version = header.layers.some(({ isChunks }) => isChunks) ? VERSION_2 : VERSION;
  view.setUint32(8, version, true);
  view.setUint32(12, header.layers.length, true);
  view.setUint32(16, header.blocks, true);
  view.setUint32(20, header.stale, true);
  view.setFloat64(24, header.blockBytes, true);
  view.setFloat64(32, header.staleBytes, true);
  header.layers.forEach((layer, n) => {
    const at = headerSize(n);
    bytes.set(fromHex(hexOf(layer.digest)), at);
    bytes.set(fromHex(hexOf(layer.diffId)), at + 32);
    view.setFloat64(at + 64, layer.size, true);
    view.setFloat64(at + 72, layer.rawSize, true);
    view.setUint32(
      at + 80,
      (layer.isMetadata ? LAYER_FLAG.metadata : 0) | (layer.isChunks ? LAYER_FLAG.chunks : 0),
      true,
    );
  });
  return bytes;
}

/** Returns how many layers the table has. @throws {RangeError} where `bytes` begin no such file */
export function layerCount(bytes: Uint8Array): number {
  const view = viewOf(bytes);
  if (bytes.length < HEADER || view.getBigUint64(0, true) !== MAGIC) {
    throw new RangeError("it is no wsdaemon tree file");
  }
  const version = view.getUint32(8, true);
  if (version !== VERSION && version !== VERSION_2) {
    throw new RangeError(`its version is ${version}, not ${VERSION} or ${VERSION_2}`);
  }
  return view.getUint32(12, true);
}

/** Decodes header and table. @throws {RangeError} where they are not well-formed */
export function decodeHeader(bytes: Uint8Array): TreeHeader {
  const count = layerCount(bytes);
  if (bytes.length < headerSize(count)) throw new RangeError("it ends within its table of layers");
  const view = viewOf(bytes);
  const layers: LayerInfo[] = [];
  for (let n = 0; n < count; n++) {
    const at = headerSize(n);
    const flags = view.getUint32(at + 80, true);
    layers.push({
      digest: digestAt(bytes, at),
      diffId: digestAt(bytes, at + 32),
      size: wholeNumber(view.getFloat64(at + 64, true), "a layer's size"),
      rawSize: wholeNumber(view.getFloat64(at + 72, true), "a layer's size"),
      isMetadata: (flags & LAYER_FLAG.metadata) !== 0,
      ...(flags & LAYER_FLAG.chunks ? { isChunks: true } : {}),
    });
  }
  return {
    layers,
    blocks: view.getUint32(16, true),
    stale: view.getUint32(20, true),
    blockBytes: wholeNumber(view.getFloat64(24, true), "the blocks' size"),
    staleBytes: wholeNumber(view.getFloat64(32, true), "the stale entries' size"),
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
