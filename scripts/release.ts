/**
 * `deno task release`: makes in `dist/release` all files of a release of the commit that is checked
 * out (docs/releasing.md). The same commit gives the same bytes, wherever it is checked out. `--npm` has
 * Deno's base runtime from the npm registry.
 */

import { createHash } from "node:crypto";
import { ensureDir } from "@std/fs";
import { fromFileUrl, join } from "@std/path";
import manifest from "../deno.json" with { type: "json" };
import type { Build } from "../src/program_files.ts";
import { makeBinary } from "./build/binary.ts";
import { buildRecord } from "./build/build_record.ts";
import { bundle } from "./build/bundle.ts";
import { type Arch, denoLicense, NPM_RUNTIME, npmRuntime } from "./build/runtime.ts";
import { FROM_SOURCE } from "./daemon_process.ts";
import { makeDebianPackage, packageName } from "./release/debian_package.ts";
import { licenses } from "./release/licenses.ts";
import { bundledPackages } from "./release/packages.ts";
import { run } from "./release/run.ts";
import { billOfMaterials } from "./release/sbom.ts";

const PROJECT = fromFileUrl(new URL("..", import.meta.url));
const DIST = join(PROJECT, "dist");
const OUTPUT = join(DIST, "release");
const ARCHES: readonly Arch[] = ["x86_64", "aarch64"];
const { version } = manifest;

/** Files of the archive with which a binary is installed by hand. */
const INSTALLER = [
  "scripts/install.sh",
  "scripts/wsdaemon.service",
  "scripts/wsdaemon.sysusers.conf",
  "scripts/config",
  "scripts/monitoring",
  "docs/operations.md",
  "LICENSE",
];

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`release: ${text}\n`));
}

function binaryName(arch: Arch): string {
  return `wsdaemon-${version}-linux-${arch}`;
}

async function sha256(path: string): Promise<string> {
  return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
}

/** Makes a binary for each processor. Returns the digests of their runtimes, by the binary's name. */
async function makeBinaries(folder: string, build: Build, npm: boolean) {
  const main = await bundle(folder);
  const digests = new Map<string, string>();
  for (const arch of ARCHES) {
    const denort = npm ? await npmRuntime(arch) : undefined;
    const output = join(OUTPUT, binaryName(arch));
    await makeBinary({ bundle: folder, main, build, output, arch, ...(denort && { denort }) });
    if (denort !== undefined) digests.set(binaryName(arch), await sha256(denort));
    say(binaryName(arch));
  }
  return digests;
}

async function makePackages(text: string, date: number): Promise<void> {
  const own = (...args: string[]) => run(FROM_SOURCE[0], [...FROM_SOURCE.slice(1), ...args]);
  const generated = {
    bash: await own("completion", "bash"),
    zsh: await own("completion", "zsh"),
    fish: await own("completion", "fish"),
    man: await own("man"),
  };
  const changelog = await Deno.readTextFile(join(PROJECT, "CHANGELOG.md"));
  for (const arch of ARCHES) {
    const binary = join(OUTPUT, binaryName(arch));
    const content = { version, arch, binary, generated, licenses: text, changelog, date };
    await makeDebianPackage(content, join(OUTPUT, packageName(version, arch)));
    say(packageName(version, arch));
  }
}

/** Packs what a binary is installed with by hand. */
async function makeInstaller(date: number): Promise<void> {
  const name = `wsdaemon-${version}-install`;
  const archive = join(OUTPUT, `${name}.tar`);
  await run("tar", [
    ...["--create", "--file", archive, "--format=ustar", "--sort=name", `--mtime=@${date}`],
    ...["--owner=0", "--group=0", "--numeric-owner", "--mode=go=u-w", `--transform=s,^,${name}/,`],
    ...INSTALLER,
  ], { cwd: PROJECT });
  await run("gzip", ["--no-name", "--best", archive]);
  say(`${name}.tar.gz`);
}

async function writeSums(): Promise<void> {
  const names = (await Array.fromAsync(Deno.readDir(OUTPUT))).map(({ name }) => name).sort();
  const lines = await Promise.all(
    names.map(async (name) => `${await sha256(join(OUTPUT, name))}  ${name}\n`),
  );
  await Deno.writeTextFile(join(OUTPUT, "SHA256SUMS"), lines.join(""));
  say("SHA256SUMS");
}

async function npmCache(): Promise<string> {
  return JSON.parse(await run(Deno.execPath(), ["info", "--json"], { cwd: PROJECT })).npmCache;
}

async function release(args: readonly string[]): Promise<void> {
  const npm = args.includes("--npm");
  const build = await buildRecord();
  if (!/^[0-9a-f]{12}$/.test(build.revision) || build.date === undefined) {
    throw new Error(`A release is made of a commit, and this is ${build.revision}: commit first`);
  }
  const date = Date.parse(build.date) / 1000;
  await Deno.remove(OUTPUT, { recursive: true }).catch(() => {});
  await ensureDir(OUTPUT);
  const folder = join(DIST, "bundle");
  const digests = await makeBinaries(folder, build, npm);
  const packages = await bundledPackages(folder, await npmCache());
  const runtime = { version: npm ? NPM_RUNTIME : Deno.version.deno, digests };
  await Deno.writeTextFile(
    join(OUTPUT, `wsdaemon-${version}.cdx.json`),
    billOfMaterials({ version, build, packages, runtime }),
  );
  const own = await Deno.readTextFile(join(PROJECT, "LICENSE"));
  const text = licenses(own, { ...runtime, license: await denoLicense() }, packages);
  await Deno.writeTextFile(join(OUTPUT, `wsdaemon-${version}-licenses.txt`), text);
  await makePackages(text, date);
  await makeInstaller(date);
  await writeSums();
}

try {
  await release(Deno.args);
} catch (error) {
  const line = `error: ${error instanceof Error ? error.message : error}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
  Deno.exit(1);
}
