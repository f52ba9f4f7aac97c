import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import {
  canonicalName,
  type ConfigEntry,
  formatConfig,
  parseConfigList,
  problemOf,
} from "../../src/git/config_text.ts";
import { testFolder } from "../fixtures/folder.ts";

Deno.test("names are compared as git does: sections and keys without case, subsections with it", () => {
  assertEquals(canonicalName("User.Name"), "user.name");
  assertEquals(canonicalName("Branch.Main.Merge"), "branch.Main.merge");
  assertEquals(
    canonicalName("URL.https://Example.com/A.InsteadOf"),
    "url.https://Example.com/A.insteadof",
  );
  assertEquals(canonicalName("no variable"), "no variable");
});

Deno.test("a name that is no variable and a value with a NUL are problems", () => {
  for (const name of ["", "user", "user.", ".name", "us er.name", "user.1name", "a.b\nc.d"]) {
    assertEquals(problemOf([name, ""])?.startsWith("is not a Git config variable"), true, name);
    assertThrows(() => formatConfig([[name, ""]]), TypeError);
  }
  assertEquals(problemOf(["user.name", "a\0b"]), "must not contain a NUL character");
  assertEquals(problemOf(['branch.a b.c"d].merge', "x\ny"]), undefined);
});

Deno.test("a list of variables has values with line ends, and true where there is no value", () => {
  assertEquals(parseConfigList("user.name\nAda\0core.bare\0a.b\nx\ny\0"), [
    ["user.name", "Ada"],
    ["core.bare", "true"],
    ["a.b", "x\ny"],
  ]);
  assertEquals(parseConfigList(""), []);
});

const text = fc.string({ unit: "grapheme-composite", maxLength: 12 });
const plain = text.filter((value) => !/[\0\r]/.test(value));
const entry: fc.Arbitrary<ConfigEntry> = fc.record({
  subsection: plain.filter((value) => !value.includes("\n")),
  value: plain,
}).map(({ subsection, value }) => [`branch.${subsection}.description`, value]);

Deno.test("git reads what is formatted as it was, whatever names and values hold", () => {
  using folder = testFolder();
  const path = join(folder.path, "config");
  fc.assert(
    fc.property(fc.array(entry, { minLength: 20, maxLength: 40 }), (entries) => {
      Deno.writeTextFileSync(path, formatConfig(entries));
      const { code, stdout } = new Deno.Command("git", {
        args: ["config", "--file", path, "--list", "--null"],
      }).outputSync();
      assertEquals(code, 0);
      assertEquals(parseConfigList(new TextDecoder().decode(stdout)), entries);
    }),
    { numRuns: 15 },
  );
});
