/** What commands say of a verification, whoever has run it. */

import { formatCount, formatTally } from "./store/format.ts";

/** What was checked. */
interface Checked {
  images: number;
  blobs: number;
  /** Of the blobs. */
  bytes: number;
}

/** Returns what was checked, and whether it is sound. @param damaged how much of it is not */
export function describeVerification({ images, blobs, bytes }: Checked, damaged: number): string {
  if (images === 0 && damaged === 0) {
    return "The store lists no backup and no snapshot: nothing was checked";
  }
  const read = `${formatCount(images)} ${images === 1 ? "image" : "images"}, ` +
    formatTally({ count: blobs, bytes });
  return damaged > 0 ? `checked ${read}` : `${read}: every digest is right`;
}
