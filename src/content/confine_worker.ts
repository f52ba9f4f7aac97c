/** Binds a content Worker's thread to its areas. */

import {
  CHANGE_RIGHTS,
  type ConfinementSupport,
  confineThread,
  CONTENT_CAPABILITIES,
  READ_RIGHTS,
} from "../linux/mod.ts";
import type { Areas } from "./worker_start.ts";

/** Areas whose files the Workers only read. */
const READ_ONLY: readonly (keyof Areas)[] = ["blobs", "cache"];

/**
 * Binds the calling thread, for good: it opens, makes, moves and deletes nothing but what is beneath the
 * areas, runs no programs, opens no sockets and becomes no other user.
 * @param readOnly further areas in which it changes nothing
 * @throws {SystemError} where the kernel refuses
 */
export function confineWorker(
  support: ConfinementSupport,
  areas: Areas,
  readOnly: readonly (keyof Areas)[] = [],
): void {
  const unchanged: readonly string[] = [...READ_ONLY, ...readOnly];
  const paths = Object.entries(areas).map(([area, path]: [string, string]) => ({
    path,
    rights: unchanged.includes(area) ? READ_RIGHTS : CHANGE_RIGHTS,
  }));
  confineThread(support, { paths, isolated: true, capabilities: CONTENT_CAPABILITIES });
}
