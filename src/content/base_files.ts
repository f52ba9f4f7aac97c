/** The files beside a base's tree: its facts, and the baseline of its clones. */

import { type Directory, ignoreErrno, isErrno } from "../linux/mod.ts";
import { readFully } from "../image/mod.ts";
import type { BaseFacts } from "./bases.ts";
import type { Omissions } from "./omissions.ts";
import { newTreeName } from "./tree_names.ts";

/** What the file of facts holds. */
export interface StoredFacts extends BaseFacts {
  /** UUID of the base's subvolume, in hexadecimal: another one of its name is not the base. */
  readonly uuid: string;
}

const VERSION = 1;
/** Facts are a few hundred bytes; what is longer is none. */
const MAX_BYTES = 64 * 1024;

/** Returns whether a name has the form of a base's id: 64 hexadecimal digits. */
export function isBaseId(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

/** Returns the name of the file with a base's facts. */
export function factsFileOf(id: string): string {
  return `${id}.json`;
}

/** Returns the name of the file with the baseline of a base's clones. */
export function baselineFileOf(id: string): string {
  return `${id}.baseline`;
}

/** Writes a base's facts, replacing earlier ones in one step. @throws {SystemError} */
export function writeFacts(folder: Directory, id: string, facts: StoredFacts): void {
  const temporary = newTreeName();
  try {
    using file = folder.createFile(temporary);
    file.write(new TextEncoder().encode(JSON.stringify({ version: VERSION, ...facts })));
    folder.rename(temporary, folder, factsFileOf(id));
  } catch (error) {
    ignoreErrno(["ENOENT"], () => folder.unlink(temporary));
    throw error;
  }
}

/** Reads a base's facts; `undefined` where there are none, or none that can be read. */
export function readFacts(folder: Directory, id: string): StoredFacts | undefined {
  let text: string;
  try {
    using file = folder.openFile(factsFileOf(id));
    const { isFile, size } = file.stat();
    if (!isFile || size > MAX_BYTES) return undefined;
    text = new TextDecoder().decode(readFully(file, 0, size));
  } catch (error) {
    if (isErrno(error, "ENOENT", "ELOOP", "EIO")) return undefined;
    throw error;
  }
  try {
    return parseFacts(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function parseFacts(value: unknown): StoredFacts | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { version, uuid, files, contentBytes, diskBytes, omitted } = value as Record<
    string,
    unknown
  >;
  if (version !== VERSION || typeof uuid !== "string" || !isOmissions(omitted)) return undefined;
  if (!isCount(files) || !isCount(contentBytes)) return undefined;
  if (diskBytes !== undefined && !isCount(diskBytes)) return undefined;
  return { uuid, files, contentBytes, omitted, ...(diskBytes === undefined ? {} : { diskBytes }) };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isOmissions(value: unknown): value is Omissions {
  if (typeof value !== "object" || value === null) return false;
  const { counts, examples } = value as Record<string, unknown>;
  return typeof counts === "object" && counts !== null && Object.values(counts).every(isCount) &&
    Array.isArray(examples) && examples.every((example) => typeof example === "string");
}
