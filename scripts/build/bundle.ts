/**
 * Makes of the sources and of the npm packages that they import a few JavaScript files, which an
 * executable carries in their place: it loads dozens of files instead of thousands, and holds nothing
 * of the packages but what runs. The same sources give the same bytes, wherever they and Deno's cache
 * are.
 */

import { basename, dirname, fromFileUrl, join, relative } from "@std/path";
import { ensureDir, walk } from "@std/fs";
import { WORKERS } from "../check/layers.ts";
import { protoFolders } from "../../src/program_files.ts";
import { portable } from "./portable.ts";

const PROJECT = fromFileUrl(new URL("../../", import.meta.url));
/** The modules of wsdaemon that run as a thread each, the main one first. */
const THREADS = ["main.ts", ...WORKERS] as const;

/**
 * Writes the bundle of modules of the checkout into `folder`, which is emptied first.
 * @param entries relative to the checkout, in the order in which their chunks are numbered; wsdaemon's
 *   threads unless given
 * @returns the path of what became of the first
 */
export async function bundle(
  folder: string,
  entries: readonly [string, ...string[]] = THREADS,
): Promise<string> {
  await Deno.remove(folder, { recursive: true }).catch(ignoreAbsence);
  await ensureDir(dirname(folder));
  // The bundler keeps the folders below the one that all entries are in.
  const outputs = entries.map((entry) =>
    (entries.length === 1 ? basename(entry) : entry).replace(/\.ts$/, ".js")
  );
  const made = await Deno.makeTempDir({ dir: dirname(folder), prefix: "bundle-" });
  try {
    const flags = ["--quiet", "--platform", "deno", "--code-splitting", "--outdir", made];
    await run(["bundle", ...flags, ...entries]);
    const files = new Map<string, string>();
    for await (const { path } of walk(made, { includeDirs: false })) {
      files.set(relative(made, path), await Deno.readTextFile(path));
    }
    for (const [path, text] of portable(files, outputs)) {
      const target = join(folder, path);
      await ensureDir(dirname(target));
      await Deno.writeTextFile(target, withDirname(path, text));
    }
  } finally {
    await Deno.remove(made, { recursive: true });
  }
  for (const source of protoFolders()) await copyProtos(source, folder);
  return join(folder, outputs[0]!);
}

async function run(args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: PROJECT,
  }).output();
  if (!success) throw new Error(`deno bundle failed:\n${new TextDecoder().decode(stderr)}`);
}

/**
 * Gives a file that has CommonJS modules their `__dirname`, of which they use nothing but `../../proto`.
 */
function withDirname(path: string, text: string): string {
  if (!/\b__dirname\b/.test(text)) return text;
  const up = relative(dirname(path), "") || ".";
  return `const __dirname = \`\${import.meta.dirname}/${up}/npm/build\`;\n${text}`;
}

/** Copies the .proto files below a folder to where {@link withDirname} has them looked for. */
async function copyProtos(source: string, folder: string): Promise<void> {
  for await (const { path } of walk(source, { exts: [".proto"], includeDirs: false })) {
    const target = join(folder, "proto", relative(source, path));
    await ensureDir(dirname(target));
    await Deno.copyFile(path, target);
  }
}

function ignoreAbsence(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
