import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import {
  escapePath,
  whiteoutPath,
  xattrKeyword,
  xattrOfKeyword,
} from "../../src/archive/vendor_records.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const textOf = (name: Uint8Array) => new TextDecoder().decode(name);

const component = fc.oneof(
  fc.stringMatching(/^[a-z.]{1,8}$/),
  fc.stringMatching(/^\.wh\.[a-z.]{0,5}$/),
  fc.stringMatching(/^\.wsdaemon\.wh\.[0-9a-f]{0,5}$/),
);
const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));

Deno.test("no path in a layer looks like a whiteout, and no two paths meet", () => {
  fc.assert(fc.property(path, path, (a, b) => {
    const [x, y] = [textOf(escapePath(bytes(a))), textOf(escapePath(bytes(b)))];
    assert(!/(^|\/)\.wh\./.test(x), x);
    assertEquals(x.split("/").length, a.split("/").length);
    assertEquals(x === y, a === b, `${a} and ${b}`);
  }));
});

Deno.test("a path without a reserved name is its own", () => {
  for (const name of ["a", "a/.w", "a/wh.b", ".x.wh.a", "a.wh.b/.git", ""]) {
    const path = bytes(name);
    assertStrictEquals(escapePath(path), path);
  }
});

Deno.test("a whiteout stands beside what it removes, under the escaped name", () => {
  assertEquals(textOf(whiteoutPath(bytes("a/b"))), "a/.wh.b");
  assertEquals(textOf(whiteoutPath(bytes("b"))), ".wh.b");
  const escaped = textOf(escapePath(bytes("d/.wh.x")));
  assertEquals(
    textOf(whiteoutPath(bytes("d/.wh.x"))),
    escaped.replace("d/", "d/.wh."),
  );
});

Deno.test("every name of an attribute has a keyword that means it", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (name) => {
    const keyword = xattrKeyword(name);
    assert(!keyword.includes("="), "a keyword ends at the first =");
    assertEquals(xattrOfKeyword(keyword), name);
  }));
  for (const other of ["path", "SCHILY.acl", "WSDAEMON.xattr.", "WSDAEMON.xattr.0g"]) {
    assertEquals(xattrOfKeyword(other), undefined, other);
  }
});
