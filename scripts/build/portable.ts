/** Takes out of bundled files where the sources and Deno's cache were: the same sources give the same bytes. */

import { basename, dirname, join } from "@std/path";

/** What the bundler writes where a file imports another one, at once or later. */
const IMPORT = /\b(?:from |import |import\()"(\.{1,2}\/[^"]+\.js)"/g;

/**
 * Returns the files by their relative paths, without the paths of this machine. Chunks get numbers, in
 * the order in which the entries lead to them: the bundler names them by a digest into which those
 * paths go.
 * @throws {Error} where an import leads to no file, or no entry to a file
 */
export function portable(
  files: ReadonlyMap<string, string>,
  entries: readonly string[],
): Map<string, string> {
  const names = new Map<string, string>();
  const visit = (path: string, name: string) => {
    if (names.has(path)) return;
    const text = files.get(path);
    if (text === undefined) throw new Error(`The bundle has no ${path}`);
    names.set(path, name);
    for (const [, specifier] of text.matchAll(IMPORT)) {
      visit(join(dirname(path), specifier!), `chunk-${String(names.size).padStart(2, "0")}.js`);
    }
  };
  for (const entry of entries) visit(entry, entry);
  const lost = [...files.keys()].filter((path) => !names.has(path));
  if (lost.length > 0) throw new Error(`Nothing in the bundle leads to ${lost.join(", ")}`);
  return new Map([...names].map(([path, name]) => {
    const text = files.get(path)!.replaceAll(IMPORT, (match, specifier: string) => {
      const target = names.get(join(dirname(path), specifier))!;
      return match.replace(basename(specifier), basename(target));
    });
    return [name, withoutCache(text)];
  }));
}

/** Cuts where Deno's cache is out of the comments and labels that say which file a part comes from. */
function withoutCache(text: string): string {
  return text.replaceAll(/^(\s*(?:\/\/ |"))[^"\n]*?\/npm\/[^/"\n]+\//gm, "$1npm/");
}
