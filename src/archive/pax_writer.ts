/** Encodes PAX records: `<length> <key>=<value>\n`, the length counting itself. */

/** A growing list of records, reused from entry to entry. Keys have one character a byte. */
export class PaxWriter {
  #buffer = new Uint8Array(1024);
  #length = 0;

  /** Adds a record with an ASCII value. */
  add(key: string, value: string): void {
    const at = this.#start(key, value.length);
    putText(this.#buffer, at, value);
    this.#buffer[at + value.length] = NEWLINE;
  }

  /** Adds a record with any bytes as its value. */
  addBytes(key: string, value: Uint8Array): void {
    const at = this.#start(key, value.length);
    this.#buffer.set(value, at);
    this.#buffer[at + value.length] = NEWLINE;
  }

  /** Adds a record with a time in decimal seconds; `nsec` counts forward from `sec`, before 1970 too. */
  addTime(key: string, sec: number, nsec: number): void {
    const isNegative = sec < 0;
    // The digits count away from zero, while nanoseconds count forward.
    const borrows = isNegative && nsec > 0;
    const whole = isNegative ? -sec - (borrows ? 1 : 0) : sec;
    const fraction = borrows ? BILLION - nsec : nsec;
    const signLength = isNegative ? 1 : 0;
    const wholeLength = digitsOf(whole);
    const length = signLength + wholeLength + (nsec === 0 ? 0 : 1 + NANO_DIGITS);
    const at = this.#start(key, length);
    if (isNegative) this.#buffer[at] = MINUS;
    putDigits(this.#buffer, at + signLength, wholeLength, whole);
    if (nsec !== 0) {
      const point = at + signLength + wholeLength;
      this.#buffer[point] = POINT;
      putDigits(this.#buffer, point + 1, NANO_DIGITS, fraction);
    }
    this.#buffer[at + length] = NEWLINE;
  }

  /** Returns the records added so far, valid until the next addition, and empties the list. */
  take(): Uint8Array {
    const taken = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    return taken;
  }

  /** Writes a record up to its value. @returns where the value goes */
  #start(key: string, valueLength: number): number {
    const length = recordLength(key.length + valueLength + 3);
    const end = this.#length + length;
    if (end > this.#buffer.length) {
      const grown = new Uint8Array(2 * end);
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    const out = this.#buffer;
    const digits = digitsOf(length);
    putDigits(out, this.#length, digits, length);
    let at = this.#length + digits;
    out[at++] = BLANK;
    putText(out, at, key);
    at += key.length;
    out[at++] = EQUALS;
    this.#length = end;
    return at;
  }
}

const NEWLINE = 0x0a;
const BLANK = 0x20;
const MINUS = 0x2d;
const POINT = 0x2e;
const EQUALS = 0x3d;
const ZERO = 0x30;
const BILLION = 1_000_000_000;
const NANO_DIGITS = 9;

/** Returns the total length of a record whose parts but the length take `rest` bytes. */
function recordLength(rest: number): number {
  let digits = 1;
  while (digitsOf(rest + digits) > digits) digits++;
  return rest + digits;
}

/** Returns how many decimal digits a whole number has. */
function digitsOf(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}

function putDigits(out: Uint8Array, at: number, digits: number, value: number): void {
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const quotient = Math.floor(rest / 10);
    out[i] = ZERO + (rest - quotient * 10);
    rest = quotient;
  }
}

function putText(out: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
}
