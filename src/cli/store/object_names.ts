/**
 * Prints names of files so that no two look alike and none can do anything to a terminal, and reads
 * them back from what was printed.
 */

const SLASH = 0x2f;
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Matches what is not printed as it is: the backslash, characters that a terminal does not show or acts
 * upon, and the arrow that listings put before a link's target.
 */
const ODD = /[\\\p{C}\p{Zl}\p{Zp}]| (?=-> )/gu;
/** Spaces at the ends, which are easily lost when a name is copied. */
const OUTER_SPACE = /^ | $/g;

/** Returns a name or path of any bytes as printable text; the top folder is `.`. */
export function showName(name: Uint8Array): string {
  if (name.length === 0) return ".";
  return textOrBytes(name).replace(OUTER_SPACE, "\\x20");
}

function textOrBytes(name: Uint8Array): string {
  try {
    return showText(strict.decode(name));
  } catch {
    return showBytes(name);
  }
}

/**
 * Parses a path that {@link showName} printed or a user typed. A leading `/` or `./` and slashes at the
 * end change nothing. Returns `undefined` for a malformed escape or a path that leaves the tree.
 */
export function parseName(text: string): Uint8Array | undefined {
  const bytes = unescape(text);
  if (!bytes) return undefined;
  const parts: Uint8Array[] = [];
  for (let start = 0; start <= bytes.length;) {
    const slash = bytes.indexOf(SLASH, start);
    const end = slash < 0 ? bytes.length : slash;
    const part = bytes.subarray(start, end);
    if (isDots(part, 2)) return undefined;
    if (part.length > 0 && !isDots(part, 1)) parts.push(part);
    start = end + 1;
  }
  return Uint8Array.from(parts.flatMap((part, n) => n === 0 ? [...part] : [SLASH, ...part]));
}

function showText(text: string): string {
  return text.replace(ODD, (odd) => odd === "\\" ? "\\\\" : escape(encoder.encode(odd)));
}

/** Prints the parts that are UTF-8 as text and escapes the other bytes one by one. */
function showBytes(bytes: Uint8Array): string {
  let shown = "";
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const length = characterLength(bytes, at);
    if (length > 0) {
      text += strict.decode(bytes.subarray(at, at + length));
    } else {
      shown += showText(text) + escape(bytes.subarray(at, at + 1));
      text = "";
    }
    at += Math.max(length, 1);
  }
  return shown + showText(text);
}

/** Returns the length in bytes of the UTF-8 character at `at`; 0 if there is none. */
function characterLength(bytes: Uint8Array, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    try {
      strict.decode(bytes.subarray(at, at + length));
      return length;
    } catch {
      continue;
    }
  }
  return 0;
}

function escape(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

function unescape(text: string): Uint8Array | undefined {
  const bytes: number[] = [];
  for (const [part] of text.matchAll(/\\x[0-9a-f]{2}|\\\\|\\|[^\\]+/gi)) {
    if (part === "\\") return undefined;
    if (part === "\\\\") bytes.push(0x5c);
    else if (part.startsWith("\\x")) bytes.push(parseInt(part.slice(2), 16));
    else bytes.push(...encoder.encode(part));
  }
  return Uint8Array.from(bytes);
}

function isDots(part: Uint8Array, count: number): boolean {
  return part.length === count && part.every((byte) => byte === 0x2e);
}
