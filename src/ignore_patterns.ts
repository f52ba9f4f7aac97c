/**
 * Matches paths by patterns in the syntax of gitignore(5), byte by byte as Git does.
 *
 * A pattern is matched component by component: `*` needs no more steps than the product of the lengths
 * of pattern and name, whatever the pattern, so that nobody's pattern can hold a save up.
 */

/** The most patterns that a list has, those of a file and of the config together. */
export const MAX_PATTERNS = 256;
/** The longest pattern, in bytes. */
const MAX_PATTERN_BYTES = 1024;

const SLASH = 0x2f;
const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const CODE_UNITS = 256;

/** Matches one byte, or with `star` any number of bytes. */
type Token = "star" | "any" | number | Uint8Array;

/** Matches one name of a path, or with `**` any number of names; `never` is malformed. */
type Component = readonly Token[] | "**" | "never";

interface Pattern {
  readonly isNegated: boolean;
  readonly onlyDirectories: boolean;
  /** Whether it is matched against the whole path; else against the last name of it. */
  readonly isAnchored: boolean;
  readonly components: readonly Component[];
}

/** Patterns of which the last that matches decides. */
export class IgnorePatterns {
  readonly #patterns: readonly Pattern[];

  private constructor(patterns: readonly Pattern[]) {
    this.#patterns = patterns;
  }

  /**
   * Parses lines: patterns, comments and empty ones.
   * @throws {RangeError} in words that follow "because", for too many or too long ones
   */
  static parse(text: Uint8Array): IgnorePatterns {
    const patterns: Pattern[] = [];
    let from = text[0] === 0xef && text[1] === 0xbb && text[2] === 0xbf ? 3 : 0;
    while (from < text.length) {
      const newline = text.indexOf(0x0a, from);
      const to = newline < 0 ? text.length : newline;
      const pattern = parseLine(text.subarray(from, to));
      if (pattern) patterns.push(pattern);
      if (patterns.length > MAX_PATTERNS) {
        throw new RangeError(`it has more than ${MAX_PATTERNS} patterns`);
      }
      from = to + 1;
    }
    return new IgnorePatterns(patterns);
  }

  /** Whether there is none. */
  get isEmpty(): boolean {
    return this.#patterns.length === 0;
  }

  /** Whether every file and folder is ignored and nothing is taken out again. */
  get matchesEverything(): boolean {
    if (this.#patterns.some(({ isNegated }) => isNegated)) return false;
    return PROBES.every((name) => this.ignores(name, true) && this.ignores(name, false));
  }

  /**
   * Returns whether an entry is ignored; that of a folder which is ignored itself is not asked for.
   * @param path relative to the folder that the patterns are of
   */
  ignores(path: Uint8Array, isDirectory: boolean): boolean {
    const names = split(path);
    for (let n = this.#patterns.length - 1; n >= 0; n--) {
      const pattern = this.#patterns[n]!;
      if (pattern.onlyDirectories && !isDirectory) continue;
      if (matches(pattern, names)) return !pattern.isNegated;
    }
    return false;
  }
}

/** Names that nobody's pattern means, unless it means every name. */
const PROBES = ["q7Zk-1", ".x9_W", "0"].map((name) => new TextEncoder().encode(name));

function matches({ isAnchored, components }: Pattern, names: readonly Uint8Array[]): boolean {
  if (isAnchored) return matchesPath(components, names);
  return matchesName(components[0]!, names[names.length - 1]!);
}

/** Matches names against components, going back to the last `**` alone: what it took earlier suffices. */
function matchesPath(components: readonly Component[], names: readonly Uint8Array[]): boolean {
  let component = 0;
  let name = 0;
  let last = -1;
  let taken = 0;
  while (name < names.length) {
    const now = components[component];
    if (now === "**") {
      // At the end it matches what is within a folder, and not the folder.
      if (component === components.length - 1) return true;
      last = component++;
      taken = name;
    } else if (now !== undefined && matchesName(now, names[name]!)) {
      component++;
      name++;
    } else if (last >= 0) {
      component = last + 1;
      name = ++taken;
    } else return false;
  }
  return component === components.length;
}

function matchesName(component: Component, name: Uint8Array): boolean {
  if (component === "never" || component === "**") return component === "**";
  let token = 0;
  let at = 0;
  let star = -1;
  let taken = 0;
  while (at < name.length) {
    const now = component[token];
    if (now === "star") {
      star = token++;
      taken = at;
    } else if (now !== undefined && matchesByte(now, name[at]!)) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++taken;
    } else return false;
  }
  while (component[token] === "star") token++;
  return token === component.length;
}

function matchesByte(token: Token, byte: number): boolean {
  if (typeof token === "number") return token === byte;
  return token === "any" || (token as Uint8Array)[byte] === 1;
}

function parseLine(bytes: Uint8Array): Pattern | undefined {
  let line = trimmed(bytes);
  if (line.length > MAX_PATTERN_BYTES) {
    throw new RangeError(`it has a pattern of more than ${MAX_PATTERN_BYTES} bytes`);
  }
  if (line.length === 0 || line[0] === 0x23) return undefined;
  const isNegated = line[0] === 0x21;
  if (isNegated) line = line.subarray(1);
  const onlyDirectories = line[line.length - 1] === SLASH;
  if (onlyDirectories) line = line.subarray(0, -1);
  const isAnchored = line.includes(SLASH);
  if (line[0] === SLASH) line = line.subarray(1);
  if (line.length === 0) return undefined;
  const components = splitPattern(line).map((name) =>
    isAnchored && name.length === 2 && name[0] === STAR && name[1] === STAR
      ? "**"
      : parseComponent(name)
  );
  return { isNegated, onlyDirectories, isAnchored, components };
}

/** Returns a line without its end of CR, and without trailing spaces that are not escaped. */
function trimmed(bytes: Uint8Array): Uint8Array {
  const line = bytes[bytes.length - 1] === 0x0d ? bytes.subarray(0, -1) : bytes;
  let end = 0;
  for (let n = 0; n < line.length; n++) {
    if (line[n] === BACKSLASH) end = ++n + 1;
    else if (line[n] !== SPACE) end = n + 1;
  }
  return line.subarray(0, Math.min(end, line.length));
}

function parseComponent(name: Uint8Array): Component {
  const tokens: Token[] = [];
  for (let at = 0; at < name.length; at++) {
    const byte = name[at]!;
    if (byte === STAR) {
      if (tokens.at(-1) !== "star") tokens.push("star");
    } else if (byte === QUESTION) tokens.push("any");
    else if (byte === OPEN) {
      const set = parseSet(name, at);
      if (!set) return "never";
      tokens.push(set.bytes);
      at = set.end;
    } else if (byte === BACKSLASH) {
      if (++at === name.length) return "never";
      tokens.push(name[at]!);
    } else tokens.push(byte);
  }
  return tokens.length === 0 ? "never" : tokens;
}

const CLASSES: Readonly<Record<string, RegExp>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  // deno-lint-ignore no-control-regex -- control characters are what the class means
  cntrl: /[\x00-\x1f\x7f]/,
  digit: /[0-9]/,
  graph: /[\x21-\x7e]/,
  lower: /[a-z]/,
  print: /[\x20-\x7e]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t\n\v\f\r]/,
  upper: /[A-Z]/,
  xdigit: /[0-9A-Fa-f]/,
};

/** Parses `[…]`. @returns the bytes that it matches, and where it ends; `undefined` for a malformed one */
function parseSet(
  name: Uint8Array,
  start: number,
): { bytes: Uint8Array; end: number } | undefined {
  const bytes = new Uint8Array(CODE_UNITS);
  let at = start + 1;
  const isNegated = name[at] === 0x21 || name[at] === 0x5e;
  if (isNegated) at++;
  for (let isFirst = true; isFirst || name[at] !== CLOSE; isFirst = false) {
    if (at >= name.length) return undefined;
    if (name[at] === OPEN && name[at + 1] === 0x3a) {
      const end = indexOfClassEnd(name, at + 2);
      if (end < 0) return undefined;
      const matching = CLASSES[String.fromCharCode(...name.subarray(at + 2, end))];
      if (!matching) return undefined;
      for (let byte = 0; byte < 128; byte++) {
        if (matching.test(String.fromCharCode(byte))) bytes[byte] = 1;
      }
      at = end + 2;
      continue;
    }
    if (name[at] === BACKSLASH) at++;
    const low = name[at++];
    if (low === undefined) return undefined;
    let high = low;
    if (name[at] === 0x2d && name[at + 1] !== undefined && name[at + 1] !== CLOSE) {
      at++;
      if (name[at] === BACKSLASH) at++;
      const end = name[at++];
      if (end === undefined) return undefined;
      high = end;
    }
    for (let byte = low; byte <= high; byte++) bytes[byte] = 1;
  }
  if (isNegated) { for (let byte = 0; byte < CODE_UNITS; byte++) bytes[byte] = 1 - bytes[byte]!; }
  return { bytes, end: at };
}

function indexOfClassEnd(name: Uint8Array, from: number): number {
  for (let at = from; at + 1 < name.length; at++) {
    if (name[at] === 0x3a && name[at + 1] === CLOSE) return at;
  }
  return -1;
}

/** Splits a pattern at slashes but for those in a set, which may have one in vain. */
function splitPattern(line: Uint8Array): Uint8Array[] {
  const components: Uint8Array[] = [];
  let from = 0;
  for (let at = 0; at < line.length; at++) {
    if (line[at] === SLASH) {
      components.push(line.subarray(from, at));
      from = at + 1;
    } else if (line[at] === OPEN) at = parseSet(line, at)?.end ?? line.length;
    // An escaped slash is one.
    else if (line[at] === BACKSLASH && line[at + 1] !== SLASH) at++;
  }
  components.push(line.subarray(from));
  return components.map((name, n) =>
    n < components.length - 1 && endsInEscape(name) ? name.subarray(0, -1) : name
  );
}

function endsInEscape(name: Uint8Array): boolean {
  let escapes = 0;
  while (name[name.length - 1 - escapes] === BACKSLASH) escapes++;
  return escapes % 2 === 1;
}

function split(path: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = [];
  let from = 0;
  for (let slash = path.indexOf(SLASH); slash >= 0; slash = path.indexOf(SLASH, from)) {
    names.push(path.subarray(from, slash));
    from = slash + 1;
  }
  names.push(path.subarray(from));
  return names;
}
