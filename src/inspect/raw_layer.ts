import { decompress } from "../archive/mod.ts";
import { LayerReader, readFully, readSeekTable } from "../image/mod.ts";
import type { Directory, File } from "../linux/mod.ts";
import { type BlobFile, yieldToEventLoop } from "./blob_file.ts";

/** An open layer. */
export interface RawLayer {
  /** Calls `take` with `length` bytes from `offset`, in pieces that are valid during the call. @throws {ArchiveError} */
  read(offset: number, length: number, take: (piece: Uint8Array) => void): void;
}

const BUFFER = 1 << 20;
/** Buffers between two yields to the event loop, where signals are delivered. */
const YIELD_INTERVAL = 32;

/**
 * Opens a layer: by its seek table, or, where another tool compressed it, by decompressing it into a
 * nameless file of `temporary`. The caller's stack closes it.
 * @throws {ArchiveError}
 */
export async function openRawLayer(
  blob: BlobFile,
  temporary: Directory,
  stack: AsyncDisposableStack,
  signal: AbortSignal | undefined,
): Promise<RawLayer> {
  const table = readSeekTable(blob.file, blob.size);
  if (table) {
    return stack.use(new LayerReader(blob.file, blob.size, table.rawOffsets.at(-1)!));
  }
  const expanded = stack.use(namelessFile(temporary));
  blob.file.seek(0);
  const source = await decompress(blob.file, "zstd");
  const buffer = new Uint8Array(BUFFER);
  for (let reads = 1, count = source.read(buffer); count > 0; count = source.read(buffer)) {
    expanded.write(buffer.subarray(0, count));
    if (reads++ % YIELD_INTERVAL === 0) await yieldToEventLoop(signal);
  }
  return new ExpandedLayer(expanded);
}

class ExpandedLayer implements RawLayer {
  constructor(private readonly file: File) {}

  read(offset: number, length: number, take: (piece: Uint8Array) => void): void {
    for (let done = 0; done < length; done += BUFFER) {
      take(readFully(this.file, offset + done, Math.min(BUFFER, length - done)));
    }
  }
}

function namelessFile(directory: Directory): File {
  const name = `layer-${crypto.randomUUID()}`;
  const file = directory.createFile(name);
  directory.unlink(name);
  return file;
}
