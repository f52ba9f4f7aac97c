import { assertEquals } from "@std/assert";
import { RETIRED } from "../../scripts/check/words.ts";
import { readTexts } from "../../scripts/check/sources.ts";
import { page, PROJECT } from "./pages.ts";

const terms = [...page("docs/glossary.md").text.matchAll(/^\| ([^|]+?) +\|/gm)]
  .map(([, term]) => term!).slice(2);

Deno.test("the code uses every term of the glossary", async () => {
  const code = (await readTexts(PROJECT, "src")).map(({ text }) => text).join("\n").toLowerCase();
  const unused = terms.filter((term) =>
    // Words of a term follow each other in an identifier or in a comment, maybe on two lines.
    !new RegExp(term.toLowerCase().replaceAll(" ", "(?:_|\\s*(?:\\*|//)?\\s*)")).test(code)
  );
  assertEquals(unused, []);
});

Deno.test("the glossary is sorted, has each term once and none that was retired", () => {
  assertEquals(terms, [...new Set(terms)].toSorted((a, b) => a.localeCompare(b, "en")));
  assertEquals(terms.filter((term) => term.split(" ").some((word) => RETIRED.has(word))), []);
});
