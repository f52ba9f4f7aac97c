/** Encodes PAX records: `<length> <key>=<value>\n`, the length counting itself. */

/** A growing list of records, reused from entry to entry. Keys have one character a byte. */
export class PaxWriter {
  #buffer = new Uint8Array(1024);
  #length = 0;

  /** Adds a record with an ASCII value. */
  add(key: string, value: string): void {
    const at = this.#start(key, value.length);
    for (let i = 0; i < value.length; i++) this.#buffer[at + i] = value.charCodeAt(i);
    this.#buffer[at + value.length] = NEWLINE;
  }

  /** Adds a record with any bytes as its value. */
  addBytes(key: string, value: Uint8Array): void {
    const at = this.#start(key, value.length);
    this.#buffer.set(value, at);
    this.#buffer[at + value.length] = NEWLINE;
  }

  /** The records added so far, valid until the next addition; the list is empty again. */
  take(): Uint8Array {
    const taken = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    return taken;
  }

  /** Writes a record up to its value. @returns where the value goes */
  #start(key: string, valueLength: number): number {
    const prefix = `${recordLength(key.length + valueLength + 3)} ${key}=`;
    const end = this.#length + prefix.length + valueLength + 1;
    if (end > this.#buffer.length) {
      const grown = new Uint8Array(2 * end);
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    for (let i = 0; i < prefix.length; i++) this.#buffer[this.#length + i] = prefix.charCodeAt(i);
    const at = this.#length + prefix.length;
    this.#length = end;
    return at;
  }
}

const NEWLINE = 0x0a;

/** The total length of a record whose parts but the length take `rest` bytes. */
function recordLength(rest: number): number {
  let digits = 1;
  while (String(rest + digits).length > digits) digits++;
  return rest + digits;
}
