/** Random edits of a small tree, for scripts of them. */

import { assert } from "@std/assert";
import fc from "fast-check";

export interface Edit {
  readonly op: string;
  readonly a: number;
  readonly b: number;
}

export const anyEdit: fc.Arbitrary<Edit> = fc.record({
  op: fc.constantFrom(
    "write",
    "write",
    "mkdir",
    "mkdir",
    "remove",
    "rename",
    "link",
    "symlink",
    "chmod",
  ),
  a: fc.nat(7),
  b: fc.nat(7),
});

const NAMES = ["p", "q", "p/r", "p/s", "q/t", "p/r/u", "v", "q/t/w"];

/** Returns the two paths that an edit in a tree is about. */
export function pathsOf(path: string, { a, b }: Edit): { from: string; to: string } {
  return { from: `${path}/${NAMES[a]}`, to: `${path}/${NAMES[b]}` };
}

/** Does an edit in a tree; what cannot be done is not. */
export function doEdit(path: string, edit: Edit): void {
  const { op, a, b } = edit;
  const { from, to } = pathsOf(path, edit);
  try {
    if (op === "write") Deno.writeTextFileSync(from, `content ${a} ${b}`);
    else if (op === "mkdir") Deno.mkdirSync(from);
    else if (op === "remove") Deno.removeSync(from, { recursive: true });
    else if (op === "rename") Deno.renameSync(from, to);
    else if (op === "link") Deno.linkSync(from, to);
    else if (op === "symlink") Deno.symlinkSync(NAMES[b]!, from);
    else if (op === "chmod") Deno.chmodSync(from, 0o700 + b);
  } catch (error) {
    // No such file, not empty, a directory, a loop: the file system says what it makes of it.
    assert(error instanceof Error);
  }
}
