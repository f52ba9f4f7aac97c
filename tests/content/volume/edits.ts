/** Random edits of a small tree on a btrfs, subvolumes included. */

import { assert } from "@std/assert";
import fc from "fast-check";
import { btrfs } from "../../fixtures/btrfs.ts";
import { anyEdit, doEdit, type Edit, pathsOf } from "../edits.ts";

/** Any edit that every file system knows, and what only some do. */
export const anyBtrfsEdit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 5, arbitrary: anyEdit },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constantFrom("append", "time", "owner", "reflink", "subvolume", "snapshot", "delete"),
      a: fc.nat(7),
      b: fc.nat(7),
    }),
  },
);

/** Does an edit in a tree; what cannot be done is not. */
export function doBtrfsEdit(path: string, edit: Edit): void {
  const { from, to } = pathsOf(path, edit);
  try {
    switch (edit.op) {
      case "append":
        return Deno.writeTextFileSync(from, `${edit.b}`, { append: true, create: false });
      case "time":
        return Deno.utimeSync(from, edit.b, edit.b);
      case "owner":
        return Deno.chownSync(from, edit.b, edit.b);
      case "reflink":
        return void new Deno.Command("cp", { args: ["--reflink=always", from, to] }).outputSync();
      case "subvolume":
        return void btrfs("subvolume", "create", from);
      case "snapshot":
        return void btrfs("subvolume", "snapshot", from, to);
      case "delete":
        return void btrfs("subvolume", "delete", from);
      default:
        return doEdit(path, edit);
    }
  } catch (error) {
    // The file system and its tool say what they make of it.
    assert(error instanceof Error);
  }
}
