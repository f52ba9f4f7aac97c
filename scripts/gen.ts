/**
 * Makes `src/rpc/gen` from `proto/`, with the pinned generator of the import map.
 *
 * `deno task gen` writes it; with `--check` nothing is written, and it fails, naming the files,
 * where the committed code is out of step.
 */

import { dirname, fromFileUrl, join, relative } from "@std/path";
import { ensureDir, exists, walk } from "@std/fs";
import config from "../deno.json" with { type: "json" };

const root = fromFileUrl(new URL("..", import.meta.url));
const protoFolder = join(root, "proto");
const generated = join(root, "src", "rpc", "gen");

/** A command line that runs the binary of an npm package with this same Deno. */
function npmBinary(specifier: string): [string, ...string[]] {
  return [Deno.execPath(), "run", "-A", "--no-prompt", "--quiet", specifier];
}

/** Generates all files into `out`. @throws {Error} with buf's own words where `proto/` is wrong. */
async function generate(out: string, cache: string): Promise<void> {
  const template = JSON.stringify({
    version: "v2",
    plugins: [{
      local: npmBinary(config.imports["@bufbuild/protoc-gen-es"]),
      out,
      opt: ["target=ts", "import_extension=ts"],
    }],
  });
  const [command, ...args] = npmBinary(config.imports["@bufbuild/buf"]);
  const { success, stderr } = await new Deno.Command(command, {
    args: [...args, "generate", protoFolder, "--template", template],
    cwd: root,
    env: { BUF_CACHE_DIR: cache },
    stdout: "null",
  }).output();
  if (!success) throw new Error(`buf failed:\n${new TextDecoder().decode(stderr)}`);
}

/** Every file below `folder`, by its path from there. */
async function contents(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  if (!await exists(folder)) return files;
  for await (const entry of walk(folder, { includeDirs: false })) {
    files.set(relative(folder, entry.path), await Deno.readTextFile(entry.path));
  }
  return files;
}

/** Paths that are not the same in both, in order. */
function differences(wanted: Map<string, string>, present: Map<string, string>): string[] {
  const paths = new Set([...wanted.keys(), ...present.keys()]);
  return [...paths].filter((path) => wanted.get(path) !== present.get(path)).sort();
}

async function main(check: boolean): Promise<number> {
  const scratch = await Deno.makeTempDir({ prefix: "wsdaemon-gen-" });
  try {
    const out = join(scratch, "out");
    await generate(out, join(scratch, "cache"));
    const wanted = await contents(out);
    const changed = differences(wanted, await contents(generated));
    const names = changed.map((path) => `  src/rpc/gen/${path}`).join("\n");
    if (changed.length === 0) {
      report("src/rpc/gen is in step with proto/");
      return 0;
    }
    if (check) {
      report(`Generated code is out of step with proto/; run \`deno task gen\`:\n${names}`);
      return 1;
    }
    for (const path of changed) await replace(join(generated, path), wanted.get(path));
    report(`Generated:\n${names}`);
    return 0;
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

async function replace(path: string, text: string | undefined): Promise<void> {
  if (text === undefined) return await Deno.remove(path);
  await ensureDir(dirname(path));
  await Deno.writeTextFile(path, text);
}

function report(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
}

if (import.meta.main) Deno.exit(await main(Deno.args.includes("--check")));
