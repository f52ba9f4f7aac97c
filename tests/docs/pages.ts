/** The project's documents, for tests that hold them to what they say. */

import { fromFileUrl, join, relative } from "@std/path";
import { walk } from "@std/fs";

export const PROJECT = fromFileUrl(new URL("../..", import.meta.url));

export interface Page {
  /** Path in the project. */
  path: string;
  text: string;
}

/** Every Markdown page that is for readers. */
export async function pages(): Promise<Page[]> {
  const found: Page[] = [];
  for await (const entry of Deno.readDir(PROJECT)) {
    if (entry.isFile && entry.name.endsWith(".md")) found.push(page(entry.name));
  }
  for (const folder of ["docs", "tests"]) {
    const below = walk(join(PROJECT, folder), { includeDirs: false, exts: [".md"] });
    for await (const { path } of below) found.push(page(relative(PROJECT, path)));
  }
  return found.sort((a, b) => a.path < b.path ? -1 : 1);
}

/** One page by its path in the project. */
export function page(path: string): Page {
  return { path, text: Deno.readTextFileSync(join(PROJECT, path)) };
}

/** The contents of a page's fenced blocks of one language. */
export function blocks(text: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm");
  return [...text.matchAll(fence)].map(([, block]) => block!);
}

/** The anchors of a page's headings, of all levels or of one, as GitHub makes them. */
export function anchors(text: string, level?: number): Set<string> {
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, "");
  return new Set(
    [...prose.matchAll(/^(#+) (.+)$/gm)]
      .filter(([, marks]) => level === undefined || marks!.length === level)
      .map(([, , title]) => slug(title!)),
  );
}

function slug(title: string): string {
  return title.toLowerCase().replaceAll(/[^\p{L}\p{N}\- _]/gu, "").replaceAll(" ", "-");
}
