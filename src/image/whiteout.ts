import { ArchiveError, type TarEntry, VENDOR, WHITEOUT } from "../archive/mod.ts";
import { MemberPath, memberPath } from "./member_path.ts";
import { isComponent, joinPath, sameName } from "../linux/mod.ts";

/** What a whiteout removes: one entry, or with `opaque` everything in a directory but not itself. */
export interface Whiteout {
  readonly kind: "entry" | "opaque";
  readonly path: MemberPath;
}

/** The name of the whiteout that makes its directory opaque (OCI image layer specification). */
const OPAQUE = new TextEncoder().encode(".wh..wh..opq");

/**
 * Returns what a layer's entry removes; `undefined` where the entry is no whiteout. A file that is
 * really called like a whiteout has an escaped name in our layers, and a whiteout of such a file has
 * its real path in a vendor record.
 * @param maxDepth components that a path may have
 * @throws {ArchiveError} malformed, for a whiteout of no name, of `.` or of `..`
 * @throws {DaemonError} FAILED_PRECONDITION for a path that leaves the tree
 */
export function whiteoutOf(entry: TarEntry, maxDepth: number): Whiteout | undefined {
  const real = entry.pax.get(VENDOR.whiteout);
  if (real) return { kind: "entry", path: memberPath(real, "path", maxDepth) };
  const path = memberPath(entry.path, "path", maxDepth);
  const { name } = path;
  if (!sameName(name.subarray(0, WHITEOUT.length), WHITEOUT)) return undefined;
  const parent = path.parent.slice();
  if (sameName(name, OPAQUE)) {
    return { kind: "opaque", path: new MemberPath(parent, path.depth - 1) };
  }
  const removed = name.subarray(WHITEOUT.length);
  // Taking `.` or `..` at its word would remove the directory itself, or the one above it.
  if (!isComponent(removed)) {
    throw new ArchiveError(
      "malformed",
      `the entry at offset ${entry.offset} is a whiteout of nothing`,
    );
  }
  return { kind: "entry", path: new MemberPath(joinPath(parent, removed), path.depth) };
}
