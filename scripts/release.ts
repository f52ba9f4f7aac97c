/**
 * `deno task release`: makes in `dist/release` all files of a release of the commit that is checked
 * out (docs/releasing.md). The same commit gives the same bytes, wherever it is checked out. `--npm` has
 * the runtimes from the npm registry; `--image` makes the container image, too.
 */

import { createHash } from "node:crypto";
import { ensureDir } from "@std/fs";
import { fromFileUrl, join } from "@std/path";
import manifest from "../deno.json" with { type: "json" };
import type { Build } from "../src/program_files.ts";
import { makeBinary } from "./build/binary.ts";
import { buildRecord } from "./build/build_record.ts";
import { bundle } from "./build/bundle.ts";
import { makeNpmProgram } from "./build/npm_program.ts";
import { type Arch, denoLicense } from "./build/runtime.ts";
import { FROM_SOURCE } from "./daemon_process.ts";
import { makeImage } from "./image/make_image.ts";
import { makeDebianPackage, packageName } from "./release/debian_package.ts";
import { licenses } from "./release/licenses.ts";
import { bundledPackages } from "./release/packages.ts";
import { copyPinned } from "./release/pinned_manifests.ts";
import { run } from "./release/run.ts";
import { billOfMaterials, type Runtime } from "./release/sbom.ts";

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

/** Makes a binary for each processor. Returns what they run on, by their names. */
async function makeBinaries(
  folder: string,
  build: Build,
  npm: boolean,
): Promise<Map<string, Runtime>> {
  const main = await bundle(folder);
  const runtimes = new Map<string, Runtime>();
  for (const arch of ARCHES) {
    const name = binaryName(arch);
    const options = { bundle: folder, main, build, output: join(OUTPUT, name), arch };
    if (npm) {
      const { path, ...runtime } = await makeNpmProgram(options);
      runtimes.set(name, { ...runtime, digest: await sha256(path) });
    } else {
      await makeBinary(options);
      runtimes.set(name, { name: "denort", version: Deno.version.deno });
    }
    say(name);
  }
  return runtimes;
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

/** Packs files of a folder; of the checkout unless given. */
async function pack(name: string, date: number, files: readonly string[], cwd = PROJECT) {
  const archive = join(OUTPUT, `${name}.tar`);
  await run("tar", [
    ...["--create", "--file", archive, "--format=ustar", "--sort=name", `--mtime=@${date}`],
    ...["--owner=0", "--group=0", "--numeric-owner", "--mode=go=u-w", `--transform=s,^,${name}/,`],
    ...files,
  ], { cwd });
  await run("gzip", ["--no-name", "--best", archive]);
  say(`${name}.tar.gz`);
}

/**
 * Makes the image, and manifests for Kubernetes that name it by its digest. It is for x86_64, as
 * programs for aarch64 may lack the TLS that the manifests ask for.
 */
async function makeImageFiles(build: Build, date: number): Promise<void> {
  const { digest } = await makeImage({
    binary: join(OUTPUT, binaryName("x86_64")),
    arch: "x86_64",
    version,
    revision: build.revision,
    created: new Date(date * 1000).toISOString().replace(".000Z", "Z"),
    output: join(OUTPUT, `${binaryName("x86_64")}.oci.tar`),
  });
  say(`${binaryName("x86_64")}.oci.tar ${digest}`);
  const folder = await Deno.makeTempDir({ dir: OUTPUT, prefix: "kubernetes-" });
  try {
    await copyPinned(join(PROJECT, "scripts/kubernetes"), folder, digest);
    await pack(`wsdaemon-${version}-kubernetes`, date, ["base", "overlays"], folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
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
  const runtimes = await makeBinaries(folder, build, npm);
  const packages = await bundledPackages(folder, await npmCache());
  await Deno.writeTextFile(
    join(OUTPUT, `wsdaemon-${version}.cdx.json`),
    billOfMaterials({ version, build, packages, runtimes }),
  );
  const own = await Deno.readTextFile(join(PROJECT, "LICENSE"));
  const versions = [...new Set([...runtimes.values()].map(({ version }) => version))].sort();
  const text = licenses(own, { versions, license: await denoLicense() }, packages);
  await Deno.writeTextFile(join(OUTPUT, `wsdaemon-${version}-licenses.txt`), text);
  await makePackages(text, date);
  await pack(`wsdaemon-${version}-install`, date, INSTALLER);
  if (args.includes("--image")) await makeImageFiles(build, date);
  await writeSums();
}

try {
  await release(Deno.args);
} catch (error) {
  const line = `error: ${error instanceof Error ? error.message : error}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
  Deno.exit(1);
}
