/** Brings blobs to this machine as files, and checks their digests before anything in them is used. */

import type { Digest } from "../digest.ts";
import { type BlobId, verifyingBlob } from "../image/mod.ts";
import type { Directory, File } from "../linux/mod.ts";
import type { LocalFile } from "../spool.ts";
import type { ObjectStore } from "../store/mod.ts";
import { requireBlob } from "../snapshot/mod.ts";

/** A store, and the folders that it hands files out from. */
export interface BlobSource {
  readonly store: ObjectStore;
  /** The folder of downloads. */
  readonly spool: Directory;
  /** The embedded store's folder. */
  readonly blobs?: Directory;
}

/** Options of {@link BlobFile.hold}. */
export interface HoldOptions {
  signal?: AbortSignal | undefined;
  /** Called with the number of further bytes that were read. */
  onBytes?: ((count: number) => void) | undefined;
}

/** Buffers between two yields to the event loop, where signals are delivered. */
const YIELD_INTERVAL = 32;

/** A blob that is on this machine and open, as long as it is held. */
export class BlobFile implements AsyncDisposable {
  private constructor(
    readonly digest: Digest,
    /** Bytes. */
    readonly size: number,
    readonly file: File,
    readonly release: () => Promise<void>,
  ) {}

  /**
   * Brings a blob here and reads it once to check it.
   * @throws {DaemonError} DATA_LOSS where it is missing, or not what its digest says; ABORTED
   */
  static async hold(
    source: BlobSource,
    { digest, size }: BlobId,
    options: HoldOptions = {},
  ): Promise<BlobFile> {
    const { signal } = options;
    await using stack = new AsyncDisposableStack();
    const held = await requireBlob(
      digest,
      source.store.acquireBlob(digest, size, { signal }),
    );
    stack.defer(() => held.release());
    const file = stack.use(openHeld(source, held));
    await verify(file, { digest, size }, options);
    const rest = stack.move();
    return new BlobFile(digest, size, file, () => rest.disposeAsync());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

/** Lets signals in, and throws where one of them ended the work. */
export async function yieldToEventLoop(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
  signal?.throwIfAborted();
}

/** Opens a file that a store has handed out; the caller closes it. */
export function openHeld(source: BlobSource, { area, path }: LocalFile): File {
  // Nothing is inspected through the cache of a node.
  const directory = area === "cache" ? undefined : source[area];
  if (!directory) throw new TypeError(`Cannot open a file of the area ${area} here`);
  return directory.openFile(path);
}

async function verify(
  file: File,
  blob: BlobId,
  { signal, onBytes }: HoldOptions,
): Promise<void> {
  file.advise();
  let reads = 0;
  for (const count of verifyingBlob(file, blob)) {
    onBytes?.(count);
    if (++reads % YIELD_INTERVAL === 0) await yieldToEventLoop(signal);
  }
}
