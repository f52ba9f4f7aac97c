/**
 * Checks the structure of `src/`: modules use each other downwards only and through their entries,
 * neither modules nor files make circles, and some things stay in one module.
 */

import { type Arrows, circles } from "./graph.ts";
import { moduleOf, type SourceFile } from "./sources.ts";

/** The modules, topmost first; one may use those on its own level and below, without a circle. */
export const LEVELS: readonly (readonly string[])[] = [
  ["cli", "client", "config", "daemon", "pool", "process", "rpc", "status_page"],
  ["admin"],
  ["workspace"],
  ["initializer"],
  ["inspect", "migrate"],
  ["git", "snapshot"],
  ["content", "store"],
  ["image"],
  ["archive", "linux", "outbound"],
  [
    "address",
    "async",
    "binary_search",
    "certificates",
    "clock",
    "confinement",
    "deno_version",
    "digest",
    "disk_space",
    "errors",
    "extent",
    "ignore_patterns",
    "log",
    "memory",
    "mounts",
    "name_some",
    "operations",
    "patches",
    "program_files",
    "proxy_variables",
    "remove_if_there",
    "schema_fields",
    "spool",
    "state_schema",
    "std",
    "telemetry",
    "tracing",
    "uncaught",
    "wire",
  ],
];

/** Downward arrows that are wrong all the same. */
const FORBIDDEN: readonly (readonly [string, string])[] = [["store", "archive"]];

/**
 * Files that run as a thread of their own. They are started by URL, which no import shows; the
 * compiled binary includes them by this list.
 */
export const WORKERS = ["src/daemon/worker.ts", "src/content/worker.ts"] as const;

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
export const GENERATED = { folder: "src/wire/gen/", modules: ["wire"] };

/** Returns every violation, in words. */
export function layerViolations(files: readonly SourceFile[]): string[] {
  return [
    ...files.flatMap(fileViolations),
    ...entryViolations(files),
    ...workerViolations(files),
    ...described(circles(arrowsBetween(files, moduleOf))),
    ...described(circles(arrowsBetween(files, (path) => path))),
  ];
}

function fileViolations({ path, text, imports }: SourceFile): string[] {
  const module = moduleOf(path);
  const level = levelOf(module);
  if (level < 0) {
    return [`${path}: ${module} is not a module; give it a level in scripts/check/layers.ts`];
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

/** A module that is a folder has one entry, and only that is imported from outside. */
function entryViolations(files: readonly SourceFile[]): string[] {
  const paths = new Set(files.map(({ path }) => path));
  return files.flatMap(({ path, imports }) =>
    imports.flatMap((target) => {
      const module = moduleOf(target);
      if (module === moduleOf(path) || target === `src/${module}.ts`) return [];
      const entry = `src/${module}/mod.ts`;
      if (target === entry || target.startsWith(GENERATED.folder) || module === "std") return [];
      return [
        paths.has(entry)
          ? `${path}: imports ${target} past the module's entry, ${entry}`
          : `${path}: imports ${target}, whose module has no entry ${entry}`,
      ];
    })
  );
}

/** Workers are started by a URL that names one of {@link WORKERS}. */
function workerViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(/new Worker\(\s*new URL\(\s*["']([^"']+)/g)]
      .map(([, url]) => new URL(url!, `file:///${path}`).pathname.slice(1))
      .filter((target) => !(WORKERS as readonly string[]).includes(target))
      .map((target) => `${path}: starts ${target}, which scripts/check/layers.ts does not list`)
  );
}

function arrowsBetween(files: readonly SourceFile[], nodeOf: (path: string) => string): Arrows {
  const arrows = new Map<string, Map<string, string>>();
  for (const { path, imports } of files) {
    for (const target of imports) {
      const [from, to] = [nodeOf(path), nodeOf(target)];
      if (from === to) continue;
      if (!arrows.has(from)) arrows.set(from, new Map());
      arrows.get(from)!.set(to, `${path} uses ${target}`);
    }
  }
  return arrows;
}

function described(found: ReturnType<typeof circles>): string[] {
  return found.map(({ nodes, steps }) =>
    `circle ${[...nodes, nodes[0]].join(" -> ")}: ${steps.join("; ")}`
  );
}

function levelOf(module: string): number {
  return LEVELS.findIndex((level) => level.includes(module));
}
