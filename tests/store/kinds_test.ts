/** Every kind of store is tested as the others are, and told of to operators. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { storageSchema } from "../../src/store/mod.ts";
import { page, PROJECT } from "../docs/pages.ts";

Deno.test("every store in a folder of src/store passes the conformance suite", () => {
  const stores = [...Deno.readDirSync(join(PROJECT, "src/store"))]
    .filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  assert(stores.length >= 2);
  for (const store of stores) {
    const test = Deno.readTextFileSync(join(PROJECT, `tests/store/${store}_test.ts`));
    assertStringIncludes(test, "testConformance(");
  }
});

Deno.test("the operations page tells of every kind of store", () => {
  const section = page("docs/operations.md").text.split("\n## Object stores\n")[1]!
    .split("\n## ")[0]!;
  const told = [...section.matchAll(/\(`storage\.kind` `(\w+)`\)/g)].map(([, kind]) => kind!);
  const kinds: string[] = storageSchema.options.map(({ shape }) => shape.kind.value);
  assertEquals(told.toSorted(), kinds.toSorted());
});
