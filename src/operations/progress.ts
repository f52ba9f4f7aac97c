/** How far an operation is. Counting is an addition; everything else is done when somebody looks. */

/** Files and bytes that were done. */
export interface Counts {
  readonly files: number;
  readonly bytes: number;
}

/** Progress at one moment. */
export interface ProgressReading extends Counts {
  /** Absent where nobody knows. */
  readonly filesTotal?: number;
  /** Absent where nobody knows. */
  readonly bytesTotal?: number;
  /** Bytes that the store has taken. */
  readonly storedBytes: number;
  /** Bytes a second over the last seconds, or since the start. */
  readonly bytesPerSecond: number;
  /** Bytes that went over the network, either way. */
  readonly transferredBytes: number;
  /** The same a second, over the last seconds. */
  readonly transferredPerSecond: number;
}

/** Milliseconds that a rate looks back. */
const RATE_WINDOW = 5_000;
/** Milliseconds between two samples of it. */
const SAMPLE_INTERVAL = 500;

interface Sample {
  at: number;
  bytes: number;
}

/** Counts of an operation: its own, and those of sources that are read on demand. */
export class Progress {
  #files = 0;
  #bytes = 0;
  #storedBytes = 0;
  #total: Partial<Counts> | undefined;
  readonly #sources = new Set<() => Counts>();
  readonly #steps = new Set<Progress>();
  #transferred = 0;
  readonly #rate: Rate;
  readonly #transferRate: Rate;

  /** @param now returns milliseconds of a clock that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#rate = new Rate(now);
    this.#transferRate = new Rate(now);
  }

  /** Counts what was done. */
  add({ files = 0, bytes = 0 }: Partial<Counts>): void {
    this.#files += files;
    this.#bytes += bytes;
  }

  /** Counts bytes that the store has taken. */
  addStored(bytes: number): void {
    this.#storedBytes += bytes;
  }

  /** Counts bytes that went over the network, either way: what tells that something slow is not stuck. */
  addTransferred(bytes: number): void {
    this.#transferred += bytes;
  }

  /** Says how much there is to do in all. */
  setTotal(total: Partial<Counts>): void {
    this.#total = { ...this.#total, ...total };
  }

  /**
   * Counts what `read` returns, now and whenever somebody looks, until the answer is disposed of; what
   * it returns then stays counted.
   */
  observe(read: () => Counts): Disposable {
    this.#sources.add(read);
    return {
      [Symbol.dispose]: () => {
        if (this.#sources.delete(read)) this.add(read());
      },
    };
  }

  /** Counts what a step of the operation counts; stops once the answer is disposed of. */
  include(step: Progress): Disposable {
    this.#steps.add(step);
    return {
      [Symbol.dispose]: () => {
        if (!this.#steps.delete(step)) return;
        const { files, bytes, storedBytes, transferredBytes } = step.read();
        this.add({ files, bytes });
        this.addStored(storedBytes);
        this.addTransferred(transferredBytes);
      },
    };
  }

  /** Returns the progress at this moment. */
  read(): ProgressReading {
    const { files, bytes } = this.#done();
    const [filesTotal, bytesTotal] = [this.#totalOf("files"), this.#totalOf("bytes")];
    let [storedBytes, transferredBytes] = [this.#storedBytes, this.#transferred];
    for (const step of this.#steps) {
      const more = step.read();
      storedBytes += more.storedBytes;
      transferredBytes += more.transferredBytes;
    }
    return {
      files,
      bytes,
      ...(filesTotal === undefined ? {} : { filesTotal: Math.max(files, filesTotal) }),
      ...(bytesTotal === undefined ? {} : { bytesTotal: Math.max(bytes, bytesTotal) }),
      storedBytes,
      bytesPerSecond: this.#rate.of(bytes),
      transferredBytes,
      transferredPerSecond: this.#transferRate.of(transferredBytes),
    };
  }

  #done(): Counts {
    let { files, bytes } = { files: this.#files, bytes: this.#bytes };
    for (const read of this.#sources) {
      const more = read();
      files += more.files;
      bytes += more.bytes;
    }
    for (const step of this.#steps) {
      const more = step.#done();
      files += more.files;
      bytes += more.bytes;
    }
    return { files, bytes };
  }

  /** Returns the total of this operation; else what is done plus what the running steps have to do. */
  #totalOf(what: keyof Counts): number | undefined {
    const own = this.#total?.[what];
    if (own !== undefined || this.#steps.size === 0) return own;
    let total = what === "files" ? this.#files : this.#bytes;
    for (const step of this.#steps) {
      const ofStep = step.#totalOf(what);
      if (ofStep === undefined) return undefined;
      total += ofStep;
    }
    return total;
  }
}

/** How fast a count grows, by samples that are taken when somebody looks. */
class Rate {
  readonly #samples: Sample[];
  readonly #now: () => number;

  /** @param now returns milliseconds of a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
    this.#samples = [{ at: now(), bytes: 0 }];
  }

  /** Returns bytes a second, now that the count is `bytes`. */
  of(bytes: number): number {
    const at = this.#now();
    const samples = this.#samples;
    // The newest sample that is as old as the window stays, so that the rate spans all of it.
    while (samples.length > 1 && samples[1]!.at <= at - RATE_WINDOW) samples.shift();
    const [oldest] = samples;
    const elapsed = at - oldest!.at;
    const rate = elapsed > 0 ? Math.max(0, (bytes - oldest!.bytes) * 1000 / elapsed) : 0;
    if (at - samples.at(-1)!.at >= SAMPLE_INTERVAL) samples.push({ at, bytes });
    return rate;
  }
}
