/**
 * Disk space set aside on the state's file system, so that state can be written when the disk is full:
 * a file that is deleted when space is needed and made again when there is some.
 *
 * Rewriting a file in place needs no space on ext4 and XFS, but on file systems that copy on write
 * (btrfs, overlayfs over such, a snapshot beneath) every write does; deleting a file frees space on
 * all of them.
 */

import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";

const log = logger("workspace");

/** Enough for some hundreds of small writes, with what a file system needs beside each. */
const RESERVE_BYTES = 1 << 20;

/** Milliseconds between two attempts at setting space aside. */
const RETRY_DELAY_MS = 60_000;

/** A file of 1 MiB that can be deleted to free its space. Methods are synchronous. */
export class Reserve {
  readonly #path: string;
  #held: boolean;
  #nextAttemptAt = 0;

  /** @param path of a file in an existing directory, used by nothing else */
  constructor(path: string) {
    this.#path = path;
    this.#held = sizeOf(path) === RESERVE_BYTES;
  }

  /** Whether space is set aside. */
  get held(): boolean {
    return this.#held;
  }

  /**
   * Sets space aside unless it is already. Where the disk is full, does nothing and does not try again
   * for a minute, because each attempt takes from others what little space there is.
   * @param isFreed whether space has just been freed, so that it is worth trying now
   */
  hold(isFreed = false): void {
    if (this.#held || (!isFreed && performance.now() < this.#nextAttemptAt)) return;
    this.#nextAttemptAt = performance.now() + RETRY_DELAY_MS;
    try {
      writeReserve(this.#path);
      this.#held = true;
      log.debug("Space for the daemon's state is set aside in {path}", { path: this.#path });
    } catch (error) {
      log.debug("No space to set aside in {path}: {reason}", {
        path: this.#path,
        reason: messageOf(error),
      });
      this.release();
    }
  }

  /** Gives the space back to the file system. @returns whether any was set aside */
  release(): boolean {
    this.#held = false;
    try {
      Deno.removeSync(this.#path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      log.warn("Cannot release the space set aside in {path}: {reason}", {
        path: this.#path,
        reason: messageOf(error),
      });
      return false;
    }
    return true;
  }
}

/** Writes random bytes, since zeros take no space on a file system that compresses. */
function writeReserve(path: string): void {
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
