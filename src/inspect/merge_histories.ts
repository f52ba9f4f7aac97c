/** Merges the histories of backups that two stores have of one identity. */

import type { Digest } from "../digest.ts";

/** What counts of a backup here. */
interface DatedImage {
  readonly manifest: Digest;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** A history with another's backups in it. */
export interface MergedHistory<Image extends DatedImage> {
  /** All of both, newest first. */
  readonly images: Image[];
  /** Those that were not there. */
  readonly added: Image[];
  /** The latest that was there, where it is none of the other history and stays the latest. */
  readonly newer?: Image;
  /** The latest that was there, where it is none of the other history and is not the latest any more. */
  readonly older?: Image;
}

/**
 * Adds to a history what it lacks of another one; both newest first, and each keeps its own order, whatever
 * the clocks of the nodes were. Nothing is taken away.
 */
export function mergeHistories<Image extends DatedImage>(
  there: readonly Image[],
  other: readonly Image[],
): MergedHistory<Image> {
  const known = new Set(there.map(({ manifest }) => manifest));
  const added = other.filter(({ manifest }) => !known.has(manifest));
  const images: Image[] = [];
  const rest = [...added];
  for (const image of there) {
    while (rest[0] && rest[0].createdAt > image.createdAt) images.push(rest.shift()!);
    images.push(image);
  }
  images.push(...rest);
  const [latest] = there;
  if (!latest || other.some(({ manifest }) => manifest === latest.manifest)) {
    return { images, added };
  }
  return images[0] === latest ? { images, added, newer: latest } : { images, added, older: latest };
}
