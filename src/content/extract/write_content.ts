import type { TarEntry, TarReader } from "../../archive/mod.ts";
import type { File } from "../../linux/mod.ts";

/**
 * Writes the content of the reader's current entry into an empty file, and leaves its holes.
 * @param buffer memory for the content on its way
 * @throws {ArchiveError} if the archive ends within the content
 * @throws {SystemError}
 */
export function writeContent(
  file: File,
  entry: TarEntry,
  reader: TarReader,
  buffer: Uint8Array,
): void {
  const extents = entry.sparse ?? [{ offset: 0, length: entry.storedSize }];
  if (entry.sparse) file.truncate(entry.size);
  for (const { offset, length } of extents) {
    for (let done = 0; done < length;) {
      const count = reader.read(buffer.subarray(0, Math.min(buffer.length, length - done)));
      file.writeAt(buffer.subarray(0, count), offset + done);
      done += count;
    }
  }
}
