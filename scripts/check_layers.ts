/**
 * Checks that the modules of `src/` use each other downwards only, and a few things that must stay in
 * one module: `deno run -A scripts/check_layers.ts [FOLDER]`. Prints each violation; exit 1 if any.
 */

import { walk } from "@std/fs";
import { fromFileUrl, join, relative, resolve, toFileUrl } from "@std/path";

/** The modules, topmost first; a module may use those on its own level and below, without a cycle. */
const LEVELS: readonly (readonly string[])[] = [
  ["cli", "client", "config", "daemon", "process", "rpc"],
  ["workspace"],
  ["initializer"],
  ["inspect"],
  ["git", "snapshot"],
  ["content", "store"],
  ["image"],
  ["archive", "linux", "outbound"],
  [
    "address",
    "async",
    "binary_search",
    "clock",
    "confinement",
    "digest",
    "errors",
    "extent",
    "log",
    "memory",
    "patches",
    "proxy_variables",
    "schema_fields",
    "spool",
    "std",
    "telemetry",
    "uncaught",
    "wire",
  ],
];

/** Downward arrows that are wrong all the same. */
const FORBIDDEN: readonly (readonly [string, string])[] = [["store", "archive"]];

/** What only some modules may do, told by its source text. */
const PRIVILEGES = [
  { what: "calls FFI", pattern: /\bDeno\.(?:dlopen|Unsafe\w+)/, modules: ["linux"] },
  {
    what: "is archive code that touches files",
    pattern: /\bDeno\.(?:open|read|write|stat|lstat|mkdir|remove|rename)|["']node:fs/,
    modules: LEVELS.flat().filter((module) => module !== "archive"),
  },
];

/** Generated code and who may import it. */
const GENERATED = { folder: "src/wire/gen/", modules: ["wire"] };

/** A source file, by its path in the project, and the project's files that it imports. */
export interface SourceFile {
  path: string;
  text: string;
  imports: string[];
}

/** Every violation, in words. */
export function violations(files: readonly SourceFile[]): string[] {
  return [...files.flatMap(fileViolations), ...cycles(files)];
}

/** The files below `project`'s `src/`, with their imports as Deno resolves them. */
export async function readSources(project: string): Promise<SourceFile[]> {
  const paths: string[] = [];
  for await (const entry of walk(join(project, "src"), { includeDirs: false, exts: [".ts"] })) {
    if (!entry.path.endsWith(".d.ts")) paths.push(entry.path);
  }
  const imports = await readImports(project, paths);
  return paths.toSorted().map((path) => ({
    path: relative(project, path),
    text: Deno.readTextFileSync(path),
    imports: (imports.get(toFileUrl(path).href) ?? [])
      .map((url) => relative(project, fromFileUrl(url)))
      .filter((target) => target.startsWith("src/")),
  }));
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

/** The local imports of each module, type imports too, from `deno info`. */
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

function fileViolations({ path, text, imports }: SourceFile): string[] {
  const module = moduleOf(path);
  const level = levelOf(module);
  if (level < 0) {
    return [`${path}: ${module} is not a module; give it a level in scripts/check_layers.ts`];
  }
  const found = imports.flatMap((target) => {
    const to = moduleOf(target);
    if (levelOf(to) >= 0 && levelOf(to) < level) return [`${path}: upward arrow to ${target}`];
    if (FORBIDDEN.some((pair) => pair[0] === module && pair[1] === to)) {
      return [`${path}: ${module} must not use ${to} (${target})`];
    }
    if (target.startsWith(GENERATED.folder) && !GENERATED.modules.includes(module)) {
      return [`${path}: imports generated code (${target}), which only ${GENERATED.modules} may`];
    }
    return [];
  });
  const abused = PRIVILEGES.filter(({ pattern, modules }) =>
    !modules.includes(module) && pattern.test(text)
  );
  return [...found, ...abused.map(({ what }) => `${path}: ${what}`)];
}

/** Modules that use each other, told by the shortest way around. */
function cycles(files: readonly SourceFile[]): string[] {
  const arrows = new Map<string, Map<string, string>>();
  for (const { path, imports } of files) {
    for (const target of imports) {
      const [from, to] = [moduleOf(path), moduleOf(target)];
      if (from === to) continue;
      if (!arrows.has(from)) arrows.set(from, new Map());
      arrows.get(from)!.set(to, `${path} uses ${target}`);
    }
  }
  const reported = new Set<string>();
  return [...arrows.keys()].flatMap((start) => {
    const around = wayAround(start, arrows);
    const name = around?.toSorted().join();
    if (!around || name === undefined || reported.has(name)) return [];
    reported.add(name);
    const steps = around.map((from, index) =>
      arrows.get(from)!.get(around[(index + 1) % around.length]!)
    );
    return [`cycle between ${[...around, start].join(" -> ")}: ${steps.join("; ")}`];
  });
}

function wayAround(
  start: string,
  arrows: ReadonlyMap<string, ReadonlyMap<string, string>>,
): string[] | undefined {
  const queue: string[][] = [[start]];
  const seen = new Set<string>();
  for (let way = queue.shift(); way; way = queue.shift()) {
    for (const next of arrows.get(way.at(-1)!)?.keys() ?? []) {
      if (next === start) return way;
      if (!seen.has(next)) queue.push([...way, next]);
      seen.add(next);
    }
  }
  return undefined;
}

/** `src/git/status.ts` is in `git`, `src/errors.ts` a module of its own. */
function moduleOf(path: string): string {
  return path.split("/")[1]!.replace(/\.ts$/, "");
}

function levelOf(module: string): number {
  return LEVELS.findIndex((level) => level.includes(module));
}

if (import.meta.main) {
  const project = resolve(Deno.args[0] ?? fromFileUrl(new URL("..", import.meta.url)));
  const sources = await readSources(project);
  const found = violations(sources);
  const encoder = new TextEncoder();
  for (const line of found) Deno.stderr.writeSync(encoder.encode(`${line}\n`));
  if (found.length > 0) Deno.exit(1);
  Deno.stdout.writeSync(encoder.encode(`Layering holds in ${sources.length} files.\n`));
}
