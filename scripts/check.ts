/**
 * Checks what the compiler, the formatter and the linter do not: `deno run -A scripts/check.ts
 * [FOLDER]`. Modules use each other downwards and through their entries, identifiers (of scripts and
 * tests, too) use the glossary's words, what a file of `src` exports has a comment, and the thread that answers calls waits for no
 * disk. Prints each violation; exit 1 if any.
 */

import { fromFileUrl, resolve } from "@std/path";
import { blockingViolations } from "./check/blocking.ts";
import { docViolations } from "./check/docs.ts";
import { GENERATED, layerViolations } from "./check/layers.ts";
import { readSources, readTexts } from "./check/sources.ts";
import { wordViolations } from "./check/words.ts";

const project = resolve(Deno.args[0] ?? fromFileUrl(new URL("..", import.meta.url)));
const sources = (await readSources(project)).filter(({ path }) =>
  !path.startsWith(GENERATED.folder)
);
const others = [...await readTexts(project, "scripts"), ...await readTexts(project, "tests")];
// What `src/std` passes on is described by Deno's standard library.
const documented = sources.map(({ path }) => path).filter((path) => !path.startsWith("src/std/"));
const found = [
  ...layerViolations(sources),
  ...blockingViolations(sources),
  ...wordViolations([...sources, ...others]),
  ...await docViolations(project, documented),
];
const encoder = new TextEncoder();
for (const line of found) Deno.stderr.writeSync(encoder.encode(`${line}\n`));
if (found.length > 0) Deno.exit(1);
Deno.stdout.writeSync(
  encoder.encode(
    `Layers, words and comments are in order in ${sources.length + others.length} files.\n`,
  ),
);
