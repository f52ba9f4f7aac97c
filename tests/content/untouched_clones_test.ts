import { assert, assertFalse } from "@std/assert";
import { operations } from "../../src/content/operations/mod.ts";
import type { OperationName } from "../../src/content/protocol.ts";
import type { Tree } from "../../src/content/tree.ts";
import { UntouchedClones } from "../../src/content/untouched_clones.ts";

const TREE: Tree = { area: "staging", name: "w~1" };

/** The operations that a clone may see on its way to being published as it is. */
const HARMLESS: readonly string[] = [
  "cloneBase",
  "exists",
  "hashFile",
  "inspectPaths",
  "limitTree",
  "list",
  "publish",
  "readLink",
  "usage",
];

Deno.test("a clone is as it was made until an operation that may change it is asked for, whichever", () => {
  for (const operation of Object.keys(operations) as OperationName[]) {
    const clones = new UntouchedClones();
    clones.add(TREE, undefined);
    clones.observe(operation, { tree: TREE });
    const isUntouched = clones.take(TREE);
    assert(isUntouched === HARMLESS.includes(operation), operation);
    assertFalse(clones.take(TREE), "once it is published, it is somebody's");
  }
});

Deno.test("a clone that entries are moved from or to is touched, and others are not", () => {
  const other: Tree = { ...TREE, name: "v~1" };
  for (const side of ["from", "to"]) {
    const clones = new UntouchedClones();
    for (const tree of [TREE, other]) clones.add(tree, `.${tree.name}`);
    clones.observe("movePaths", { [side]: { tree: TREE, folder: "" } });
    assertFalse(clones.take(TREE));
    assert(clones.take(other));
    assert(clones.takeBaseline(`.${other.name}`));
    assertFalse(clones.takeBaseline(`.${other.name}`));
  }
});
