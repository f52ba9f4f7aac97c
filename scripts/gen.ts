/**
 * Makes what is derived from other files: `src/wire/gen` from `proto/`, with the pinned generator of
 * the import map, and `docs/configuration.md` from the config's schema.
 *
 * `deno task gen` writes them; with `--check` nothing is written, and it fails, naming the files,
 * where what is committed is out of step.
 */

import { dirname, fromFileUrl, join, relative } from "@std/path";
import { ensureDir, exists, walk } from "@std/fs";
import config from "../deno.json" with { type: "json" };
import { configurationPage } from "./configuration_page.ts";

const root = fromFileUrl(new URL("..", import.meta.url));
const protoFolder = join(root, "proto");
const GENERATED_CODE = "src/wire/gen";
const CONFIGURATION_PAGE = "docs/configuration.md";

/** A command line that runs the binary of an npm package with this same Deno. */
function npmBinary(specifier: string): [string, ...string[]] {
  return [Deno.execPath(), "run", "-A", "--no-prompt", "--quiet", specifier];
}

/** Checks `proto/` and generates its code. @throws {Error} with buf's own words where `proto/` is wrong. */
async function generateCode(): Promise<Map<string, string>> {
  const scratch = await Deno.makeTempDir({ prefix: "wsdaemon-gen-" });
  try {
    const out = join(scratch, "out");
    const template = JSON.stringify({
      version: "v2",
      plugins: [{
        local: npmBinary(config.imports["@bufbuild/protoc-gen-es"]),
        out,
        opt: ["target=ts", "import_extension=ts"],
      }],
    });
    const [command, ...args] = npmBinary(config.imports["@bufbuild/buf"]);
    for (
      const task of [["lint", protoFolder], ["generate", protoFolder, "--template", template]]
    ) {
      const { success, stdout, stderr } = await new Deno.Command(command, {
        args: [...args, ...task],
        cwd: root,
        env: { BUF_CACHE_DIR: join(scratch, "cache") },
      }).output();
      const words = new TextDecoder().decode(Uint8Array.from([...stdout, ...stderr]));
      if (!success) throw new Error(`buf ${task[0]} failed:\n${words}`);
    }
    return await contents(out, GENERATED_CODE);
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** The text as `deno fmt` has it. */
async function formatted(markdown: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "-"],
    cwd: root,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(markdown));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`deno fmt failed:\n${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** Every file below `folder`, by the path that it has below `prefix` in the project. */
async function contents(folder: string, prefix: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  if (!await exists(folder)) return files;
  for await (const entry of walk(folder, { includeDirs: false })) {
    files.set(join(prefix, relative(folder, entry.path)), await Deno.readTextFile(entry.path));
  }
  return files;
}

/** What is committed of all that is generated. */
async function committed(): Promise<Map<string, string>> {
  const files = await contents(join(root, GENERATED_CODE), GENERATED_CODE);
  const page = join(root, CONFIGURATION_PAGE);
  if (await exists(page)) files.set(CONFIGURATION_PAGE, await Deno.readTextFile(page));
  return files;
}

/** Paths that are not the same in both, in order. */
function differences(wanted: Map<string, string>, present: Map<string, string>): string[] {
  const paths = new Set([...wanted.keys(), ...present.keys()]);
  return [...paths].filter((path) => wanted.get(path) !== present.get(path)).sort();
}

async function main(check: boolean): Promise<number> {
  const wanted = await generateCode();
  wanted.set(CONFIGURATION_PAGE, await formatted(configurationPage()));
  const changed = differences(wanted, await committed());
  const names = changed.map((path) => `  ${path}`).join("\n");
  if (changed.length === 0) {
    report(`${GENERATED_CODE} and ${CONFIGURATION_PAGE} are in step with their sources`);
    return 0;
  }
  if (check) {
    report(`Generated files are out of step; run \`deno task gen\`:\n${names}`);
    return 1;
  }
  for (const path of changed) await replace(join(root, path), wanted.get(path));
  report(`Generated:\n${names}`);
  return 0;
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
