/** Checks that identifiers and file names use the glossary's words and not those it replaced. */

import type { SourceText } from "./sources.ts";

/** Words that `docs/glossary.md` has replaced, and by what. */
export const RETIRED: ReadonlyMap<string, string> = new Map([
  ["bury", "mark stale"],
  ["disarm", "sanitize"],
  ["fate", "resolution"],
  ["freshen", "touch"],
  ["freshener", "toucher"],
  ["gate", "egress proxy"],
  ["hollow", "missing result"],
  ["judge", "check"],
  ["judged", "checked"],
  ["judging", "checking"],
  ["obstacle", "conflict or blocker"],
  ["pact", "protocol"],
  ["provisional", "temporary"],
  ["rearm", "restore"],
  ["recall", "from record"],
  ["rig", "fixture"],
  ["rigs", "fixtures"],
  ["room", "area or module"],
  ["rooms", "areas or modules"],
  ["stranger", "orphan"],
  ["strangers", "orphans"],
  ["stretch", "extent"],
  ["surroundings", "host context"],
  ["torn", "incomplete"],
  ["wellness", "health status"],
  ["wish", "final save"],
  ["wishes", "final saves"],
  ["witness", "recorder"],
  ["witnesses", "recorders"],
]);

/** Matches comments, strings, templates and regular expressions, which hold no identifiers. */
const NO_CODE =
  /\/\/.*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|(?<=[(,:=[!&|?{};]\s*|return\s+)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//g;

/** Returns every retired word in a file's name or identifiers, each once a file. */
export function wordViolations(files: readonly SourceText[]): string[] {
  return files.flatMap(({ path, text }) => {
    const identifiers = text.replaceAll(NO_CODE, " ").match(/[A-Za-z_$][\w$]*/g) ?? [];
    const found = new Map<string, string>();
    for (const name of [...identifiers, fileNameOf(path)]) {
      for (const word of wordsOf(name)) {
        if (RETIRED.has(word) && !found.has(word)) found.set(word, name);
      }
    }
    return [...found].map(([word, name]) =>
      `${path}: ${name} says "${word}", which is now ${RETIRED.get(word)} (docs/glossary.md)`
    );
  });
}

/** The words of an identifier or a file's name, in lower case. */
function wordsOf(name: string): string[] {
  return name.split(/[_$.\d-]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/)
    .filter((word) => word !== "")
    .map((word) => word.toLowerCase());
}

function fileNameOf(path: string): string {
  return path.split("/").at(-1)!.replace(/\.ts$/, "");
}
