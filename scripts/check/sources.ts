/** The project's sources as the checks see them: paths, texts, and imports as Deno resolves them. */

import { exists, walk } from "@std/fs";
import { fromFileUrl, join, relative, toFileUrl } from "@std/path";

/** A source file, by its path in the project. */
export interface SourceText {
  path: string;
  text: string;
}

/** A source file, and the project's files that it imports. */
export interface SourceFile extends SourceText {
  imports: readonly string[];
}

/** Reads the files below `project`'s `src/`. @throws {Error} with Deno's words where one is broken */
export async function readSources(project: string): Promise<SourceFile[]> {
  const files = await readTexts(project, "src");
  const imports = await readImports(project, files.map(({ path }) => join(project, path)));
  return files.map((file) => ({
    ...file,
    imports: (imports.get(toFileUrl(join(project, file.path)).href) ?? [])
      .map((url) => relative(project, fromFileUrl(url)))
      .filter((target) => target.startsWith("src/")),
  }));
}

/** Reads the files below a folder of the project, sorted by path; none where there is no such folder. */
export async function readTexts(project: string, folder: string): Promise<SourceText[]> {
  const root = join(project, folder);
  const paths: string[] = [];
  if (await exists(root)) {
    for await (const { path } of walk(root, { includeDirs: false, exts: [".ts"] })) {
      if (!path.endsWith(".d.ts")) paths.push(path);
    }
  }
  return paths.toSorted().map((path) => ({
    path: relative(project, path),
    text: Deno.readTextFileSync(path),
  }));
}

/** Returns the module that a file is in: `git` for `src/git/status.ts`, `errors` for `src/errors.ts`. */
export function moduleOf(path: string): string {
  return path.split("/")[1]!.replace(/\.ts$/, "");
}

interface InfoDependency {
  code?: { specifier?: string };
  type?: { specifier?: string };
}

interface InfoModule {
  specifier: string;
  error?: string;
  dependencies?: InfoDependency[];
}

/** The local imports of each file, type imports too, from `deno info`. */
async function readImports(project: string, paths: string[]): Promise<Map<string, string[]>> {
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const lines = paths.map((path) => `import ${JSON.stringify(toFileUrl(path).href)};`);
    await Deno.writeTextFile(entry, lines.join("\n"));
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-lock", "--config", join(project, "deno.json"), entry],
    }).output();
    if (!success) throw new Error(`deno info: ${new TextDecoder().decode(stderr)}`);
    const { modules }: { modules: InfoModule[] } = JSON.parse(new TextDecoder().decode(stdout));
    const broken = modules.find((module) => module.error !== undefined);
    if (broken) throw new Error(`deno info: ${broken.error}`);
    return new Map(modules.map(({ specifier, dependencies = [] }) => [
      specifier,
      dependencies
        .flatMap(({ code, type }) => [code?.specifier, type?.specifier])
        .filter((url): url is string => url?.startsWith("file:") ?? false),
    ]));
  } finally {
    await Deno.remove(entry);
  }
}
