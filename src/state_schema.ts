/** Where a node's state is, and its version, told without opening it. */

import { join } from "@std/path";

/** The version of the journal's schema that is written and read. */
export const STATE_VERSION = 1;

/** Bytes of the header of a SQLite database. */
const HEADER_BYTES = 100;
const MAGIC = "SQLite format 3\0";
/** Where `PRAGMA user_version` is in the header, a big-endian u32. */
const USER_VERSION = 60;

/** Returns the path of the journal of a root. */
export function journalPath(root: string): string {
  return join(root, "state", "state.db");
}

/** Returns the version of the state in a file; `undefined` where there is none, or it is no database. */
export function readStateVersion(path: string): number | undefined {
  const header = new Uint8Array(HEADER_BYTES);
  try {
    // Opening a FIFO would wait for whoever writes to it.
    if (!Deno.lstatSync(path).isFile) return undefined;
    using file = Deno.openSync(path);
    if (file.readSync(header) !== HEADER_BYTES) return undefined;
  } catch {
    // The start says why, when it opens the database.
    return undefined;
  }
  if (new TextDecoder().decode(header.subarray(0, MAGIC.length)) !== MAGIC) return undefined;
  return new DataView(header.buffer).getUint32(USER_VERSION);
}

/** Returns why a state cannot be used, where it is of another version. */
export function otherVersion(path: string, version: number): string {
  return `The state in ${path} has version ${version}, this wsdaemon reads ${STATE_VERSION}: run the ` +
    "version that wrote it";
}
