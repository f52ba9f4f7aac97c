/**
 * Makes a corpus, as a program of its own: `deno run -A make_corpus.ts NAME PATH [--quick]`. What that
 * leaves in memory would count as the bench's own.
 */

import { fromFileUrl } from "@std/path";
import { corpora, type CorpusName } from "./corpora.ts";

/** Has another process make the corpus at `path`. @throws {Error} where it fails, with what it said */
export async function makeCorpus(name: CorpusName, path: string, quick: boolean): Promise<void> {
  const program = fromFileUrl(import.meta.url);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-prompt",
      "--no-check",
      program,
      name,
      path,
      ...quick ? ["--quick"] : [],
    ],
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`cannot make ${name}: ${new TextDecoder().decode(stderr)}`);
}

if (import.meta.main) {
  const [name, path, quick] = Deno.args;
  await corpora(quick === "--quick")[name as CorpusName].make(path!);
}
