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
const READ_ONLY: readonly string[] = ["blobs", "cache"] satisfies (keyof Areas)[];

/**
 * Binds the calling thread, for good: it opens, makes, moves and deletes nothing but what is beneath the
 * areas, runs no programs, opens no sockets and becomes no other user.
 * @throws {SystemError} where the kernel refuses
 */
export function confineWorker(support: ConfinementSupport, areas: Areas): void {
  const paths = Object.entries(areas).map(([area, path]: [string, string]) => ({
    path,
    rights: READ_ONLY.includes(area) ? READ_RIGHTS : CHANGE_RIGHTS,
  }));
  confineThread(support, { paths, isolated: true, capabilities: CONTENT_CAPABILITIES });
}
