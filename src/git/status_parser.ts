import { displayName } from "../linux/mod.ts";

/** Receives what `git status` prints, in its order. */
export interface StatusListener {
  /** Receives the branch; `(detached)` where HEAD is none. */
  branch(name: string): void;
  /** Receives the current commit; not called where there is none. */
  commit(hash: string): void;
  /**
   * Receives a tracked file that differs from the commit, in the index or in the working tree.
   * @param content where nothing differs but the content of a regular file in the working tree: its
   *   path and the blob that the index has
   */
  changed(path: string, content?: { path: Uint8Array; blob: string }): void;
  /** Receives an untracked file. */
  untracked(path: string): void;
}

const NUL = 0;
const ascii = new TextDecoder("latin1");

/** How many fields precede the path, by the record's type. */
const FIELDS: Readonly<Record<string, number>> = { "1": 8, "2": 9, u: 10, "?": 1, "!": 1 };

/** Splits chunks of bytes into NUL-terminated records. */
export class RecordSplitter {
  #rest = new Uint8Array(0);
  readonly #take: (record: Uint8Array) => void;

  constructor(take: (record: Uint8Array) => void) {
    this.#take = take;
  }

  push(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + chunk.length);
      bytes.set(this.#rest);
      bytes.set(chunk, this.#rest.length);
    }
    let start = 0;
    for (let end; (end = bytes.indexOf(NUL, start)) >= 0; start = end + 1) {
      this.#take(bytes.subarray(start, end));
    }
    this.#rest = bytes.slice(start);
  }

  /** Hands over what came after the last NUL. */
  end(): void {
    if (this.#rest.length > 0) this.#take(this.#rest);
    this.#rest = new Uint8Array(0);
  }
}

/**
 * Returns a parser that status output is pushed into; format: git-status(1), "Porcelain Format Version 2".
 * It throws an Error for a record of an unknown type.
 */
export function statusParser(listener: StatusListener): RecordSplitter {
  let skip = false;
  return new RecordSplitter((record) => {
    if (skip) {
      skip = false;
      return;
    }
    const type = ascii.decode(record.subarray(0, 1));
    if (type === "#") return header(ascii.decode(record), record, listener);
    const fields = FIELDS[type];
    if (fields === undefined) throw new Error(`git status printed a record of type ${type}`);
    // A rename is followed by the path that it had before.
    skip = type === "2";
    const bytes = afterFields(record, fields);
    const path = displayPath(bytes);
    if (type === "?") listener.untracked(path);
    else if (type !== "!") {
      listener.changed(path, type === "1" ? onlyContent(record, bytes) : undefined);
    }
  });
}

function header(text: string, record: Uint8Array, listener: StatusListener): void {
  const [, name, value] = text.split(" ", 3);
  if (name === "branch.oid" && value !== undefined && value !== "(initial)") listener.commit(value);
  if (name === "branch.head") listener.branch(displayName(afterFields(record, 2)));
}

/** Parses `1 XY sub mH mI mW hH hI path`, where X is "." and both mI and mW the same regular file's mode. */
function onlyContent(
  record: Uint8Array,
  path: Uint8Array,
): { path: Uint8Array; blob: string } | undefined {
  const fields = ascii.decode(record.subarray(0, record.length - path.length)).split(" ");
  const [, xy, , , index = "", worktree, , blob = ""] = fields;
  if (xy !== ".M" || index !== worktree || !index.startsWith("100")) return undefined;
  return { path: path.slice(), blob };
}

function afterFields(record: Uint8Array, fields: number): Uint8Array {
  let at = 0;
  for (let n = 0; n < fields; n++) at = record.indexOf(0x20, at) + 1;
  return record.subarray(at);
}

/** Returns a path with its components named as `Content` names them. */
export function displayPath(path: Uint8Array): string {
  const names: string[] = [];
  for (let start = 0; start <= path.length;) {
    const slash = path.indexOf(0x2f, start);
    const end = slash < 0 ? path.length : slash;
    names.push(displayName(path.subarray(start, end)));
    start = end + 1;
  }
  return names.join("/");
}
