/** What moves between Workers rather than being copied. */

import type { PartResult } from "./part.ts";

/** The memory of a result, to be moved with it. */
export function transferables({ arena, largeFiles: apart }: PartResult): ArrayBuffer[] {
  return [...arena, ...apart.arena];
}
