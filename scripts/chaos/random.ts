/** A seeded source of random choices: the same seed gives the same plan. */

/** Mulberry32 (Tommy Ettinger), 32 bits of state. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Returns a number from 0 (included) to 1 (excluded). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Returns a whole number from `from` to `to`, both included. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  /** Returns one of the values. @throws {TypeError} where there is none */
  pick<T>(values: readonly T[]): T {
    if (values.length === 0) throw new TypeError("Cannot pick from nothing");
    return values[this.whole(0, values.length - 1)]!;
  }

  /** Returns one of the keys, each as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let rest = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) if ((rest -= weight) < 0) return key;
    return entries.at(-1)![0];
  }

  /** Fills bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let n = 0; n < length; n++) bytes[n] = this.whole(0, 255);
    return bytes;
  }

  /** Returns a source of its own for something that runs beside this one. */
  fork(): Random {
    return new Random(this.whole(0, 0xffff_ffff));
  }
}
