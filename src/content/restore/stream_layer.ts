/**
 * Restores the files of a layer while it is received: whatever has come of it is in memory, and each part
 * becomes files as soon as it is there, on whichever Worker is free. The layer's digest is computed on
 * the way; the caller deletes the tree where it does not fit.
 */

import { createHash } from "node:crypto";
import { forEachIndex, type Semaphore } from "../../async/mod.ts";
import { sha256Digest } from "../../digest.ts";
import { dataLoss, type LayerInfo } from "../../image/mod.ts";
import type { Dispatcher } from "../dispatcher.ts";
import type { Omissions } from "../omissions.ts";
import { type LayerPart, type LayerParts, tailBytes } from "./layer_parts.ts";
import type { BlobStream } from "./restore_result.ts";
import type { StepRequest } from "./step.ts";
import type { FileUnit } from "./worker_plan.ts";

/**
 * Parts that are being received, wait for a Worker or are being restored, of all restores together. No layer
 * asks for more permits at a time, as they are handed out in turn: a small layer waits for so many parts of
 * another one, however large that is.
 */
export const PARTS_UNDER_WAY = 8;
/** Bytes that the daemon's thread hashes without a pause, which is less than a millisecond. */
const HASH_BYTES = 1 << 20;

/** What is restored of which layer, and by whom. */
export interface LayerStreamOptions {
  readonly dispatcher: Dispatcher;
  readonly request: StepRequest;
  readonly layer: LayerInfo;
  /** The layer's files. */
  readonly files: Pick<FileUnit, "start" | "end">;
  readonly stream: BlobStream;
  /** {@link PARTS_UNDER_WAY} permits. */
  readonly permits: Semaphore;
  /** Resolves once files can be made. */
  readonly ready: Promise<unknown>;
  readonly signal: AbortSignal;
}

/** The reading of one layer, from its tail, which tells where its parts are, to its last part. */
export class LayerStream {
  readonly #options: LayerStreamOptions;
  readonly #hash = createHash("sha256");
  /** Resolves once all parts so far are hashed. */
  #hashed: Promise<void> = Promise.resolve();
  #tail: Uint8Array<ArrayBuffer> = new Uint8Array();

  constructor(options: LayerStreamOptions) {
    this.#options = options;
  }

  /**
   * Restores the layer's files.
   * @returns `undefined` where the layer can only be restored as a whole; nothing was restored then
   * @throws {DaemonError} DATA_LOSS naming the layer; what the stream throws; ABORTED
   */
  async restore(): Promise<Omissions[] | undefined> {
    const { dispatcher, request, layer, signal } = this.#options;
    const { parts, split } = await this.#divide();
    if (!parts) return undefined;
    const omitted: Omissions[] = [];
    await forEachIndex(parts.length, PARTS_UNDER_WAY, signal, async (n, either) => {
      omitted.push(await this.#part(parts[n]!, either));
    });
    const digest = sha256Digest(this.#hash.digest("hex"));
    if (digest !== layer.digest) throw dataLoss(layer.digest, `its content has digest ${digest}`);
    if (split.length === 0) return omitted;
    return [
      ...omitted,
      await dispatcher.run("restoreSplitFiles", { ...request, layer, split }, { signal }),
    ];
  }

  async #divide(): Promise<LayerParts> {
    const { dispatcher, request: { plan }, layer, files, stream, signal } = this.#options;
    let wanted = tailBytes(layer);
    for (;;) {
      this.#tail = await stream.read(layer.size - wanted, layer.size, signal);
      const tail = this.#tail;
      const request = { plan, layer, files, tail };
      const parts = await dispatcher.run("restoreParts", request, { signal });
      if (typeof parts !== "number") return parts;
      wanted = parts;
    }
  }

  /** Receives a part, and has it restored once all before it are hashed. */
  async #part(part: LayerPart, signal: AbortSignal): Promise<Omissions> {
    const { dispatcher, request, layer, stream, permits, ready } = this.#options;
    const before = this.#hashed;
    const hashed = Promise.withResolvers<void>();
    this.#hashed = hashed.promise;
    // Whoever waits for it fails by the signal, too.
    hashed.promise.catch(() => {});
    try {
      using _permit = await permits.acquire(signal);
      const bytes = await this.#read(part, signal);
      await before;
      await this.#update(bytes, signal);
      hashed.resolve();
      await ready;
      signal.throwIfAborted();
      return await dispatcher.run(
        "restorePart",
        { ...request, layer, part, bytes, copy: stream.copy },
        { signal, transfer: [bytes.buffer] },
      );
    } catch (error) {
      hashed.reject(error);
      throw error;
    }
  }

  /** Reads a part; of the tail, which was read already, it takes what it has. */
  async #read(
    { start, end }: LayerPart,
    signal: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { layer, stream } = this.#options;
    const tailAt = layer.size - this.#tail.length;
    if (end <= tailAt) return await stream.read(start, end, signal);
    const rest = this.#tail.slice(Math.max(0, start - tailAt), end - tailAt);
    if (start >= tailAt) return rest;
    const read = await stream.read(start, tailAt, signal);
    const bytes = new Uint8Array(end - start);
    bytes.set(read);
    bytes.set(rest, read.length);
    return bytes;
  }

  async #update(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    for (let at = 0; at < bytes.length; at += HASH_BYTES) {
      this.#hash.update(bytes.subarray(at, at + HASH_BYTES));
      await new Promise((resolve) => setTimeout(resolve, 0));
      signal.throwIfAborted();
    }
  }
}
