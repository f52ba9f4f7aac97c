import { assertEquals, assertThrows } from "@std/assert";
import { portable } from "../../scripts/build/portable.ts";

/** What the bundler makes of two entries that share a chunk, which loads another one later. */
function bundled(cache: string, digests: readonly [string, string]): Map<string, string> {
  const [shared, later] = digests.map((digest) => `chunk-${digest}.js`);
  return new Map([
    [later!, `// ${cache}/npm/registry.example/b/1.0.0/b.js\nexport {};\n`],
    [
      shared!,
      `var require_a = __commonJS({\n  "${cache}/npm/registry.example/@x/a/1.0.0/a.js"() {}\n});\n` +
      `export const load = () => import("./${later}");\n`,
    ],
    ["main.js", `import { load } from "./${shared}";\n// src/main.ts\nload("// /npm/x/y");\n`],
    ["src/worker.js", `import "../${shared}";\n`],
  ]);
}

Deno.test("a bundle is the same wherever the cache was and whatever its chunks were called", () => {
  const entries = ["main.js", "src/worker.js"];
  const here = portable(bundled("../../root/.cache/deno", ["AAAA", "ZZZZ"]), entries);
  const there = portable(bundled("../../../home/b/dir", ["YYYY", "BBBB"]), entries);
  assertEquals(here, there);
  assertEquals([...here.keys()], ["main.js", "chunk-01.js", "chunk-02.js", "src/worker.js"]);
  assertEquals(here.get("src/worker.js"), 'import "../chunk-01.js";\n');
  assertEquals(
    here.get("main.js"),
    'import { load } from "./chunk-01.js";\n// src/main.ts\nload("// /npm/x/y");\n',
  );
  assertEquals(here.get("chunk-02.js"), "// npm/b/1.0.0/b.js\nexport {};\n");
});

Deno.test("a chunk that nothing leads to, or that is not there, is an error", () => {
  assertThrows(() => portable(new Map([["a.js", ""], ["b.js", ""]]), ["a.js"]), Error, "b.js");
  assertThrows(() => portable(new Map([["a.js", 'import "./b.js"']]), ["a.js"]), Error, "b.js");
});
