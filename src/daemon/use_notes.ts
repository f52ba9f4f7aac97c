/** Notes in the store which images the workspaces of this node were started from. */

import type { Clock } from "../clock.ts";
import type { Digest } from "../digest.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { Operation, OperationObserver } from "../operations/mod.ts";
import { noteImageUse } from "../snapshot/mod.ts";
import type { ObjectStore } from "../store/mod.ts";

const log = logger("daemon");

/** Milliseconds from one note of a use to the next: a fraction of the shortest `snapshot.ttl`. */
const INTERVAL_MS = 6 * 3600_000;

/** A workspace, and the image that it was started from. */
export interface ImageUser {
  readonly id: string;
  readonly base: Digest;
}

/** What {@link UseNotes} uses. */
export interface UseNotesOptions {
  store: ObjectStore;
  clock: Clock;
  /** Returns the workspaces of this node that were started from an image. */
  users(): readonly ImageUser[];
}

/** Writes notes when a workspace was started, and at intervals while it is here, until it is disposed of. */
export class UseNotes implements OperationObserver, AsyncDisposable {
  readonly #options: UseNotesOptions;
  readonly #stop = new AbortController();
  /** When the use of an image was noted last, by the monotonic clock. */
  readonly #notedAt = new Map<Digest, number>();
  #wake = new AbortController();
  #noting: Promise<void> = Promise.resolve();

  constructor(options: UseNotesOptions) {
    this.#options = options;
  }

  /** Notes the uses of all workspaces that are here, and of those that come. */
  start(): void {
    if (this.#options.store.kind !== "none") this.#noting = this.#keepNoting();
  }

  began(): void {}

  ended({ kind, state }: Operation): void {
    if (kind === "init" && state === "succeeded") this.#wake.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#wake.abort();
    await this.#noting;
  }

  async #keepNoting(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stop.signal.aborted) {
      this.#wake = new AbortController();
      const signal = AbortSignal.any([this.#wake.signal, this.#stop.signal]);
      await this.#noteAll();
      // Half an interval, so that no note becomes older than one.
      await clock.sleep(INTERVAL_MS / 2, signal).catch(() => {});
    }
  }

  async #noteAll(): Promise<void> {
    const { store, clock, users } = this.#options;
    const { signal } = this.#stop;
    const used = users();
    const bases = new Set(used.map(({ base }) => base));
    for (const base of this.#notedAt.keys()) if (!bases.has(base)) this.#notedAt.delete(base);
    for (const { id, base } of used) {
      const now = clock.monotonic();
      if (signal.aborted || now - (this.#notedAt.get(base) ?? -Infinity) < INTERVAL_MS / 2) {
        continue;
      }
      try {
        await noteImageUse(store, base, id, { signal });
        this.#notedAt.set(base, now);
      } catch (error) {
        if (signal.aborted) return;
        log.warn("Cannot note that workspace {id} uses {base}, and will try again: {reason}", {
          id,
          base,
          reason: messageOf(error),
        });
      }
    }
  }
}
