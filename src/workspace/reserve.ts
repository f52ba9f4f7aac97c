/**
 * Room that is set aside on the state's file system, so that state can be written where a disk is
 * full: a file that is deleted when room is needed and made again when there is some.
 *
 * Rewriting a file in place needs no room on ext4 and XFS, but on file systems that copy on write
 * (btrfs, overlayfs over such, a snapshot beneath) every write does; what was deleted is room on
 * all of them.
 */

import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";

const log = logger("workspace");

/** For some hundreds of small writes, with what a file system needs beside each. */
const RESERVE_BYTES = 1 << 20;

/** Milliseconds between two attempts at setting room aside. */
const PAUSE_MS = 60_000;

export class Reserve {
  readonly #path: string;
  #held: boolean;
  #triableAt = 0;

  /** @param path of a file in a directory that is there, used by nothing else */
  constructor(path: string) {
    this.#path = path;
    this.#held = sizeOf(path) === RESERVE_BYTES;
  }

  /** Whether room is set aside. */
  get held(): boolean {
    return this.#held;
  }

  /**
   * Sets room aside if there is none; where there is no room for that, leaves things as they are, and
   * does not try again for a while: each time takes from others what little room there is.
   * @param isFreed whether room has just been made, so that it is worth trying now
   */
  hold(isFreed = false): void {
    if (this.#held || (!isFreed && performance.now() < this.#triableAt)) return;
    this.#triableAt = performance.now() + PAUSE_MS;
    try {
      write(this.#path);
      this.#held = true;
      log.debug("Room for the daemon's state is set aside in {path}", { path: this.#path });
    } catch (error) {
      log.debug("No room to set aside in {path}: {reason}", {
        path: this.#path,
        reason: messageOf(error),
      });
      this.release();
    }
  }

  /** Gives the room back to the file system. @returns whether there was any */
  release(): boolean {
    this.#held = false;
    try {
      Deno.removeSync(this.#path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      log.warn("Cannot release the room set aside in {path}: {reason}", {
        path: this.#path,
        reason: messageOf(error),
      });
      return false;
    }
    return true;
  }
}

/** Random bytes, since zeros take no room where a file system compresses. */
function write(path: string): void {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
  const part = new Uint8Array(65536);
  for (let left = RESERVE_BYTES; left > 0;) {
    crypto.getRandomValues(part);
    left -= file.writeSync(part.subarray(0, left));
  }
  file.syncDataSync();
}

function sizeOf(path: string): number {
  try {
    return Deno.lstatSync(path).size;
  } catch {
    return 0;
  }
}
