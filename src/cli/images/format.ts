/** Formats images as text for terminals. */

import { ImageKind } from "../../wire/mod.ts";

/** Returns the name of a kind: `backup`. */
export function imageKindName(kind: ImageKind): string {
  return (ImageKind[kind] ?? `${kind}`).toLowerCase();
}
