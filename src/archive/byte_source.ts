/** The source of a reader's bytes. */

/** A stream of bytes that is read to its end once, synchronously. */
export interface ByteSource {
  /** Fills a part of `into`, at least one byte; 0 only at the end. */
  read(into: Uint8Array): number;
}

/** Returns a source of bytes in memory. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  let at = 0;
  return {
    read(into) {
      const part = bytes.subarray(at, at + into.length);
      into.set(part);
      at += part.length;
      return part.length;
    },
  };
}
