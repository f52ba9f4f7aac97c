/** The directories of a baseline that some Worker has come across, in shared memory. */
export class Visited {
  readonly #bits: Int32Array;

  static memory(directories: number): SharedArrayBuffer {
    return new SharedArrayBuffer(4 * Math.ceil(directories / 32));
  }

  constructor(memory: SharedArrayBuffer) {
    this.#bits = new Int32Array(memory);
  }

  add(number: number): void {
    Atomics.or(this.#bits, number >>> 5, 1 << (number & 31));
  }

  has(number: number): boolean {
    return (Atomics.load(this.#bits, number >>> 5) & 1 << (number & 31)) !== 0;
  }
}
