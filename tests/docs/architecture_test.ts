import { assert, assertEquals } from "@std/assert";
import { join, relative } from "@std/path";
import { walk } from "@std/fs";
import { page, PROJECT } from "./pages.ts";

const SOURCES = join(PROJECT, "src");
const { text } = page("docs/architecture.md");
const files = (await Array.fromAsync(walk(SOURCES, { includeDirs: false, exts: [".ts"] })))
  .map(({ path }) => relative(SOURCES, path));
const folders = new Set(files.flatMap((file) => parents(file)));
const modules = new Set(files.map((file) => file.replace(/(?:\/.*|\.ts)$/, "")));

/** The rows of the table of modules: the name, and the files to start at. */
const rows = [...text.matchAll(/^\| (`[a-z_]+`) +\| .+? \| (.+?) +\|$/gm)]
  .map(([, name, start]) => ({ name: quoted(name!)[0]!, start: quoted(start!) }));
/** The modules that are listed below the table. */
const leaves = quoted(/^The leaves, [^:]*: ((?:`[a-z_]+`[,.]\s)+)/m.exec(text)![1]!);

Deno.test("the table of modules has every module of src, once", () => {
  assertEquals([...rows.map(({ name }) => name), ...leaves].sort(), [...modules].sort());
});

Deno.test("every file that the table of modules says to start at is there", () => {
  const named = rows.flatMap(({ name, start }) => start.map((file) => `${name}/${file}`));
  assertEquals(named.filter((file) => !files.includes(file)), []);
  assert(named.length >= rows.length, `only ${named.length} files were found`);
});

Deno.test("every step of the four walks names a file or folder of src that is there", () => {
  const diagrams = [...text.matchAll(/^```\n([\s\S]*?)^```$/gm)].map(([, block]) => block!);
  const named = diagrams.flatMap((block) =>
    [...block.matchAll(/(?<![\w/<>])([a-z]+)\/[a-z_/]+/g)]
      .filter(([, module]) => modules.has(module!))
      .map(([path]) => path)
  );
  assertEquals(named.filter((path) => !files.includes(`${path}.ts`) && !folders.has(path)), []);
  assert(named.length >= 15, `only ${named.length} files were found`);
});

Deno.test("every file that the architecture's prose names is there", () => {
  const prose = text.replaceAll(/^```[\s\S]*?^```$|^\|.*\|$/gm, "");
  const named = quoted(prose).filter((name) => /^[\w/]+\.ts$/.test(name));
  assertEquals(named.filter((name) => !isThere(name)), []);
  assert(named.length >= 5, `only ${named.length} files were found`);
});

Deno.test("every test that the architecture says holds a claim is there", async () => {
  const named = [...text.matchAll(/"([^"\n]{20,})" *\|$/gm)].map(([, name]) => `"${name}"`);
  const tests = walk(join(PROJECT, "tests"), { includeDirs: false, match: [/_test\.ts$/] });
  const sources = (await Array.fromAsync(tests)).map(({ path }) => Deno.readTextFileSync(path));
  assertEquals(named.filter((name) => !sources.some((source) => source.includes(name))), []);
  assert(named.length >= 5, `only ${named.length} tests were found`);
});

/** Whether a file has this path in the project, or a path below src that ends with it. */
function isThere(name: string): boolean {
  if (files.some((file) => `/${file}`.endsWith(`/${name}`))) return true;
  try {
    return Deno.statSync(join(PROJECT, name)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`\n]+)`/g)].map(([, name]) => name!);
}

function parents(file: string): string[] {
  const parts = file.split("/").slice(0, -1);
  return parts.map((_, n) => parts.slice(0, n + 1).join("/"));
}
