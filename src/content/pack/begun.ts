/**
 * Which parts of a pack have begun, in shared memory: a Worker's message that it has may come after
 * another's that all is done, and what it did meanwhile must not be thrown away.
 */

const WAITING = 0;
const BEGUN = 1;
const WITHDRAWN = 2;

export class Begun {
  readonly #states: Int32Array;

  static memory(parts: number): SharedArrayBuffer {
    return new SharedArrayBuffer(4 * parts);
  }

  constructor(memory: SharedArrayBuffer) {
    this.#states = new Int32Array(memory);
  }

  /** Begins a part. @returns false where it has been withdrawn */
  begin(part: number): boolean {
    return Atomics.compareExchange(this.#states, part, WAITING, BEGUN) === WAITING;
  }

  /** Has a part never begin. @returns false where it has begun */
  withdraw(part: number): boolean {
    return Atomics.compareExchange(this.#states, part, WAITING, WITHDRAWN) === WAITING;
  }
}
