import { assert, assertEquals } from "@std/assert";
import { dirname, join, normalize } from "@std/path";
import { anchors, page, pages, PROJECT } from "./pages.ts";

Deno.test("links between documents lead to files and headings that are there", async () => {
  const broken: string[] = [];
  let count = 0;
  for (const { path, text } of await pages()) {
    const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, "");
    for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      count++;
      const [file, anchor] = target!.split("#");
      const to = file === "" ? path : normalize(join(dirname(path), file!));
      if (!exists(to)) broken.push(`${path}: ${target}`);
      else if (anchor && !anchors(page(to).text).has(anchor)) broken.push(`${path}: ${target}`);
    }
  }
  assertEquals(broken, []);
  assert(count > 20, `only ${count} links were found`);
});

Deno.test("no document is an orphan: README or a document that it leads to links it", async () => {
  const linked = new Set(["README.md"]);
  const queue = ["README.md"];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    for (const [, target] of page(path).text.matchAll(/\]\(([^)\s#]+\.md)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      const to = normalize(join(dirname(path), target!));
      if (linked.has(to) || !exists(to)) continue;
      linked.add(to);
      queue.push(to);
    }
  }
  assertEquals((await pages()).map(({ path }) => path).filter((path) => !linked.has(path)), []);
});

Deno.test("a page that begins with a list of its sections lists all, in their order", async () => {
  let count = 0;
  for (const { path, text } of await pages()) {
    const [, list] = text.split("\n## ")[0]!.split(/\n(?=- \[)(.*)/s);
    const listed = [...(list ?? "").matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor!);
    if (listed.length === 0) continue;
    count++;
    const sections = anchors(text, 2);
    assertEquals(listed.filter((anchor) => sections.has(anchor)), [...sections], path);
  }
  assert(count >= 5, `only ${count} pages have such a list`);
});

Deno.test("README has at most 150 lines, the glossary at most 50 terms", () => {
  const lines = page("README.md").text.split("\n").length;
  assert(lines <= 150, `README has ${lines} lines`);
  const terms = page("docs/glossary.md").text.split("\n").filter((line) => line.startsWith("|"));
  assert(terms.length - 2 <= 50, `the glossary has ${terms.length - 2} terms`);
});

function exists(path: string): boolean {
  try {
    Deno.statSync(join(PROJECT, path));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
