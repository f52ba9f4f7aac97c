import type { File } from "../../linux/mod.ts";

/**
 * Copies the first `bytes` of a file to the end of another, sharing blocks where the file system can.
 * @throws {RangeError} if it has fewer
 */
export function copyBytes(from: File, to: File, bytes: number): void {
  from.seek(0);
  for (let left = bytes; left > 0;) {
    const count = to.copyFrom(from, left);
    if (count === 0) throw new RangeError("a baseline was cut short while it was copied");
    left -= count;
  }
}
