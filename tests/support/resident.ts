/** Resident memory of a process, as Linux counts it. */

export class Resident {
  readonly #folder: string;

  constructor(pid: number) {
    this.#folder = `/proc/${pid}`;
  }

  /** Bytes now. */
  now(): number {
    return this.#read("VmRSS");
  }

  /** Bytes at the most since {@link forgetPeak}. */
  peak(): number {
    return this.#read("VmHWM");
  }

  forgetPeak(): void {
    Deno.writeTextFileSync(`${this.#folder}/clear_refs`, "5");
  }

  #read(name: string): number {
    const status = Deno.readTextFileSync(`${this.#folder}/status`);
    const kib = new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(status)?.[1];
    if (kib === undefined) throw new Error(`Cannot find ${name} in ${this.#folder}/status`);
    return Number(kib) * 1024;
  }
}
