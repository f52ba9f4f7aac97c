/**
 * Makes a program that unpacks itself: a bundle and the whole of Deno behind a few lines of shell. It is
 * for where the base runtime that `deno compile` needs cannot be had, and has none of the limits of the
 * older one that npm has. Packages take the files out of it and run those.
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { ensureDir, walk } from "@std/fs";
import { dirname, fromFileUrl, join } from "@std/path";
import manifest from "../../deno.json" with { type: "json" };
import type { Build } from "../../src/program_files.ts";
import { V8_FLAGS } from "../daemon_process.ts";
import { run } from "../release/run.ts";
import type { Arch } from "./runtime.ts";

const TEMPLATES = fromFileUrl(new URL("./unpacking", import.meta.url));

/** What the second line of such a program begins with. */
const MARK = "\n# wsdaemon ";

/** How Deno runs the bundle: as `deno compile` would, and with nothing of the folders around it. */
const FLAGS = [
  "--allow-all",
  "--no-prompt",
  "--no-config",
  "--no-lock",
  "--no-code-cache",
  "--cached-only",
  // So what lies in node_modules is run as it is: analysing it takes 0.3 s and 90 MiB, once for all.
  "--node-modules-dir=manual",
  "--unstable-worker-options",
  V8_FLAGS,
];

/** Options of {@link makeUnpackingProgram}. */
export interface UnpackingOptions {
  /** The bundle's folder. */
  readonly bundle: string;
  readonly build: Build;
  /** Path of Deno. */
  readonly deno: string;
  readonly arch: Arch;
  /** Path of the program; its folder must be there. */
  readonly output: string;
}

/** Writes the program; the same bundle, record and Deno give the same bytes. */
export async function makeUnpackingProgram(options: UnpackingOptions): Promise<void> {
  const { bundle, build, deno, arch, output } = options;
  const folder = await Deno.makeTempDir({ dir: dirname(output), prefix: "program-" });
  try {
    const modules = join(folder, "node_modules", "wsdaemon");
    await ensureDir(modules);
    await run("cp", ["-R", `${bundle}/.`, modules]);
    const description = { name: "wsdaemon", version: manifest.version, type: "module" };
    await Deno.writeTextFile(join(modules, "package.json"), `${JSON.stringify(description)}\n`);
    await Deno.writeTextFile(join(modules, "build.json"), `${JSON.stringify(build)}\n`);
    await Deno.copyFile(deno, join(folder, "wsdaemon"));
    await Deno.writeTextFile(join(folder, "start"), await startScript());
    await packProgram(folder, build, arch, output);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Writes the program of a folder as it is to be unpacked. */
export async function packProgram(
  folder: string,
  build: Build,
  arch: Arch,
  output: string,
): Promise<void> {
  let size = 0;
  for await (const { path, isFile } of walk(folder)) {
    const isProgram = path === join(folder, "wsdaemon");
    await Deno.chmod(path, isFile && !isProgram ? 0o644 : 0o755);
    if (isFile) size += (await Deno.stat(path)).size;
  }
  const archive = `${output}.tar`;
  await run("tar", [
    ...["--create", `--file=${archive}`, "--format=ustar", "--sort=name"],
    ...[`--mtime=${build.date ?? "@0"}`, "--owner=0", "--group=0", "--numeric-owner"],
    ...["-C", folder, "."],
  ], { env: { LC_ALL: "C" } });
  const payload = gzipSync(await Deno.readFile(archive));
  await Deno.remove(archive);
  const digest = createHash("sha256").update(payload).digest("hex");
  const head = await headScript({
    VERSION: manifest.version,
    ARCH: arch,
    PAYLOAD: digest,
    NAME: digest.slice(0, 16),
    NEEDED: String(Math.ceil(size / 2 ** 20)),
  });
  // An executable that runs cannot be written to.
  await Deno.remove(output).catch(() => {});
  await Deno.writeFile(output, Buffer.concat([head, payload]), { mode: 0o755 });
}

/** Returns the lines that unpack what follows them. */
async function headScript(values: Readonly<Record<string, string>>): Promise<Uint8Array> {
  let text = await Deno.readTextFile(join(TEMPLATES, "head.sh"));
  for (const [name, value] of Object.entries(values)) text = text.replaceAll(`@${name}@`, value);
  // The number of the first byte is written into a place of one length.
  const place = "@OFFSET@";
  return new TextEncoder().encode(
    text.replace(place, String(text.length + 1).padEnd(place.length)),
  );
}

async function startScript(): Promise<string> {
  const text = await Deno.readTextFile(join(TEMPLATES, "start.sh"));
  return text.replace("@FLAGS@", FLAGS.join(" "));
}

/** Returns whether a file is a program that unpacks itself. */
export async function unpacksItself(path: string): Promise<boolean> {
  using file = await Deno.open(path);
  const bytes = new Uint8Array(64);
  const read = await file.read(bytes) ?? 0;
  return new TextDecoder("latin1").decode(bytes.subarray(0, read)).startsWith(`#!/bin/sh${MARK}`);
}

/** Unpacks such a program into a folder of `to`, whose path it returns. */
export async function unpackProgram(path: string, to: string): Promise<string> {
  return (await run("sh", [path, "--unpack-to", to])).trimEnd();
}

/** Returns the script by which an unpacked program is run: what goes into `bin`. */
export function launcher(program: string): string {
  return `#!/bin/sh\nprogram=${program}\n. "$program/start"\n`;
}
