/** How many finished layers wait to be stored: a pack that outruns its store pauses. */

const MAX_WAITING = 6;
const POLL_MS = 100;

export class Backlog {
  readonly #waiting: Int32Array;

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(4);
  }

  constructor(memory: SharedArrayBuffer) {
    this.#waiting = new Int32Array(memory);
  }

  /** Counts a layer that is finished. */
  add(): void {
    Atomics.add(this.#waiting, 0, 1);
  }

  /** Counts a layer that is stored. */
  remove(): void {
    Atomics.sub(this.#waiting, 0, 1);
    Atomics.notify(this.#waiting, 0);
  }

  /** Waits until there is room for another; `check` throws where there is no need to wait on. */
  waitForRoom(check: () => void): void {
    for (;;) {
      const waiting = Atomics.load(this.#waiting, 0);
      if (waiting < MAX_WAITING) return;
      check();
      Atomics.wait(this.#waiting, 0, waiting, POLL_MS);
    }
  }
}
