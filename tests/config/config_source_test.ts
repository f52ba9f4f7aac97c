import { assertEquals } from "@std/assert";
import { formatPath, merge, originOf, setAt, valueAt } from "../../src/config/config_source.ts";
import { keysAt, leaves } from "../../src/config/keys.ts";

Deno.test("a path is written as people write it", () => {
  assertEquals(formatPath(["git", "timeout"]), "git.timeout");
  assertEquals(formatPath(["listen", 0]), "listen[0]");
  assertEquals(formatPath([]), "");
});

Deno.test("the value at a path is one of the object's own", () => {
  assertEquals(valueAt({ a: [{ b: 1 }] }, ["a", 0, "b"]), 1);
  assertEquals(valueAt({ a: 1 }, ["a", "b"]), undefined);
  assertEquals(valueAt({}, ["constructor"]), undefined);
});

Deno.test("setting a value makes the objects on the way and keeps what is beside it", () => {
  const values: Record<string, unknown> = { a: { x: 1 }, b: 2 };
  setAt(values, ["a", "y", "z"], 3);
  setAt(values, ["b", "c"], 4);
  assertEquals(values, { a: { x: 1, y: { z: 3 } }, b: { c: 4 } });
});

Deno.test("a layer replaces values and lists, joins objects, and drops another kind's keys", () => {
  const under = { list: [1, 2], section: { a: 1, b: 2 }, storage: { kind: "s3", bucket: "b" } };
  assertEquals(merge(under, { list: [3], section: { b: 3 }, storage: { kind: "none" } }), {
    list: [3],
    section: { a: 1, b: 3 },
    storage: { kind: "none" },
  });
  assertEquals(merge(under, { storage: { prefix: "p" } }).storage, {
    kind: "s3",
    bucket: "b",
    prefix: "p",
  });
});

Deno.test("a value's origin is the topmost layer that has it, or the object around it", () => {
  const layer = (values: Record<string, unknown>, name: string) => ({
    values,
    locate: (path: readonly (string | number)[]) => `${name} ${formatPath(path)}`,
  });
  const layers = [layer({ a: { b: 1, c: 2 } }, "file"), layer({ a: { b: 3 } }, "flag")];
  assertEquals(originOf(layers, ["a", "b"]), "flag a.b");
  assertEquals(originOf(layers, ["a", "c"]), "file a.c");
  assertEquals(originOf(layers, ["a", "missing"]), "flag a");
  assertEquals(originOf(layers, ["nowhere"]), undefined);
});

const KIND = (name: string, key: string) => ({
  type: "object",
  properties: { kind: { type: "string", const: name }, [key]: { type: "integer" } },
});
const SCHEMA = {
  properties: {
    flag: { type: "boolean" },
    either: { oneOf: [KIND("x", "one"), KIND("y", "two")] },
  },
};

Deno.test("leaves are the keys that hold values, one that alternatives share named once", () => {
  assertEquals(leaves(SCHEMA).map(({ path, type }) => `${path.join(".")} ${type}`), [
    "flag boolean",
    "either.kind string",
    "either.one integer",
    "either.two integer",
  ]);
});

Deno.test("the keys that may stand somewhere are those of the alternative that is written", () => {
  assertEquals(keysAt(SCHEMA, [], {}), ["flag", "either"]);
  assertEquals(keysAt(SCHEMA, ["either"], { either: { kind: "y" } }), ["kind", "two"]);
});
