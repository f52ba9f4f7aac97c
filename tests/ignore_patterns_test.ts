/** Patterns against Git itself. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { IgnorePatterns, MAX_PATTERNS } from "../src/ignore_patterns.ts";
import { testFolder } from "./fixtures/folder.ts";
import { runs } from "./fixtures/soak.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const parse = (...lines: string[]) => IgnorePatterns.parse(bytes(lines.join("\n")));

const piece = fc.constantFrom(
  ..."a b ab *a a* * ** ? [ab] [!a] [a-b] [^b-z] [[:alpha:]] [a \\a \\* \\[ a\\ ] - .b [] []a] **a a**b [a/] [!/] [a\\]b] \\/"
    .split(" "),
);
const pattern = fc.record({
  negated: fc.boolean(),
  slash: fc.boolean(),
  parts: fc.array(fc.array(piece, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }),
  directory: fc.boolean(),
  end: fc.constantFrom("", "", " ", "  ", "\\ ", "\r"),
}).map(({ negated, slash, parts, directory, end }) =>
  (negated ? "!" : "") + (slash ? "/" : "") + parts.map((part) => part.join("")).join("/") +
  (directory ? "/" : "") + end
);
const name = fc.constantFrom(..."a b ab ba aa abc .b * [ ] - a* a\\ z".split(" "));
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
const CASES = runs(25, 2000);

/** What Git ignores of paths that need not be there, by one file of patterns. */
function ignoredByGit(
  folder: string,
  lines: readonly string[],
  paths: readonly string[],
): string[] {
  Deno.writeTextFileSync(join(folder, ".gitignore"), lines.join("\n") + "\n");
  Deno.writeTextFileSync(join(folder, ".paths"), paths.map((one) => `${one}\0`).join(""));
  const { stdout, code } = new Deno.Command("sh", {
    args: ["-c", "exec git check-ignore --no-index -z --stdin < .paths"],
    cwd: folder,
    env: { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null", HOME: folder },
  }).outputSync();
  assert(code <= 1, `git ended with ${code}`);
  return new TextDecoder().decode(stdout).split("\0").filter((one) => one !== "");
}

/** As a walk asks: a folder before what is in it. */
function isIgnored(patterns: IgnorePatterns, path: string): boolean {
  const names = path.split("/");
  return names.some((_, n) =>
    patterns.ignores(bytes(names.slice(0, n + 1).join("/")), n < names.length - 1)
  );
}

Deno.test(`patterns ignore what Git ignores, in ${CASES} random files of patterns`, () => {
  using folder = testFolder();
  new Deno.Command("git", { args: ["init", "-q", folder.path] }).outputSync();
  const property = fc.property(
    fc.array(pattern, { minLength: 1, maxLength: 4 }),
    fc.uniqueArray(path, { minLength: 8, maxLength: 24 }),
    (lines, paths) => {
      const patterns = parse(...lines);
      const ours = paths.filter((one) => isIgnored(patterns, one));
      assertEquals(ours, ignoredByGit(folder.path, lines, paths), JSON.stringify(lines));
    },
  );
  fc.assert(property, { numRuns: CASES });
});

Deno.test("a pattern that backtracks everywhere else takes no longer than any other", () => {
  const patterns = parse("*a".repeat(500) + "b", "**/".repeat(200) + "*a".repeat(200) + "b/c");
  const long = bytes("a".repeat(255));
  assert(!patterns.ignores(long, false));
  const deep = bytes(Array.from({ length: 16 }, () => "a".repeat(255)).join("/"));
  assert(!patterns.ignores(deep, false));
});

Deno.test("patterns that leave nothing are told from those that leave something", () => {
  for (const line of ["*", "**", "/*", "/**", "**/*", "?*", "[!~]*"]) {
    assert(parse(line).matchesEverything, line);
  }
  for (const lines of [["*", "!keep"], ["*/"], ["*.o"], ["a*"], [""], ["#*"], ["\\*"]]) {
    assert(!parse(...lines).matchesEverything, lines.join());
  }
});

Deno.test("too many and too long patterns are refused", () => {
  assertThrows(() => parse(...Array(MAX_PATTERNS + 1).fill("a")), RangeError, "patterns");
  assertThrows(() => parse("a".repeat(2000)), RangeError, "bytes");
  assert(parse(...Array(MAX_PATTERNS).fill("a"), "#", "").ignores(bytes("a"), false));
});
