/** Reading whole archives in tests. */

import type { ByteSource } from "../../src/archive/byte_source.ts";
import type { TarEntry } from "../../src/archive/tar_entry.ts";
import { TarReader } from "../../src/archive/tar_reader.ts";

export interface ReadEntry extends TarEntry {
  readonly name: string;
  readonly target: string;
  /** What `read` gave. */
  readonly stored: Uint8Array;
  /** The file with its holes filled. */
  readonly content: Uint8Array;
}

const decoder = new TextDecoder();

/** A source that hands out no more than `piece` bytes at a time. */
export function slowSource(bytes: Uint8Array, piece: number): ByteSource {
  let at = 0;
  return {
    read(into) {
      const part = bytes.subarray(at, at + Math.min(piece, into.length));
      into.set(part);
      at += part.length;
      return part.length;
    },
  };
}

function contentOf(entry: TarEntry, stored: Uint8Array): Uint8Array {
  if (!entry.sparse) return stored;
  const content = new Uint8Array(entry.size);
  let at = 0;
  for (const { offset, length } of entry.sparse) {
    content.set(stored.subarray(at, at + length), offset);
    at += length;
  }
  return content;
}

/** Every entry with its content, the padding drained. */
export function readAll(bytes: Uint8Array, piece = 1 << 20): ReadEntry[] {
  const reader = new TarReader(slowSource(bytes, piece));
  const entries: ReadEntry[] = [];
  for (let entry = reader.next(); entry; entry = reader.next()) {
    const stored = new Uint8Array(entry.storedSize);
    let at = 0;
    for (let n = 1; n > 0; at += n) n = reader.read(stored.subarray(at));
    entries.push({
      ...entry,
      name: decoder.decode(entry.path),
      target: decoder.decode(entry.linkPath),
      stored,
      content: contentOf(entry, stored),
    });
  }
  reader.drain(1 << 30);
  return entries;
}
