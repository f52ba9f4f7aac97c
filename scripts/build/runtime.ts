/**
 * Gets what programs run on where nothing but the npm registry can be reached: Deno itself for x86_64;
 * and for each processor Deno's base runtime (denort) of an older version, which is cut from a program
 * on npm that `deno compile` made. Pinned by the digest of the package and by that of the runtime.
 */

import { createHash } from "node:crypto";
import { ensureDir } from "@std/fs";
import { fromFileUrl, join } from "@std/path";

/** The processors that binaries are made for. */
export type Arch = typeof Deno.build.arch & ("aarch64" | "x86_64");

/** Debian's names of them, which are also OCI's. */
export const DEBIAN_ARCH = { x86_64: "amd64", aarch64: "arm64" } as const satisfies Readonly<
  Record<Arch, string>
>;

/** A file of a package on npm. */
interface PackagedFile {
  /** Name and version of the package. */
  readonly name: string;
  readonly archive: string;
  /** Digest of the archive, as the registry gives it. */
  readonly integrity: string;
  readonly path: string;
}

/** A file on npm that is a runtime, or begins with one. */
interface Carrier extends PackagedFile {
  /** Bytes of the runtime. A compiled program follows that of denort, which ends with its section table. */
  readonly size: number;
  readonly sha256: string;
}

/** The Deno version of {@link CARRIERS}. */
export const NPM_RUNTIME = "2.7.11";

const CARRIERS: Readonly<Record<Arch, Carrier>> = {
  x86_64: {
    name: "@stdy/cli-linux-x64@0.22.2",
    archive: "stdy-cli-linux-x64-0.22.2.tgz",
    integrity:
      "sha512-kp5QdG26EC8gEzVXI0YgzmiiFHz7DFCNRLNfAWa2rDPHr/jUBnfkP8AlbTPmv0YNQpnKn1wzSWHFw88fn/OTog==",
    path: "package/bin/steady",
    size: 97_076_048,
    sha256: "f12d5d3886d5ea138304fb8d67d7396cfbedf53656676132152cb89f3fa4d8e6",
  },
  aarch64: {
    name: "@stdy/cli-linux-arm64@0.22.2",
    archive: "stdy-cli-linux-arm64-0.22.2.tgz",
    integrity:
      "sha512-HjSQdAt40CpYIauUKJ1xyIEsdrf5LtQP1x8Su7BEZJN94807ROJXxabW+jXyc48823tVBkrnxNUUTrBK4TVTRw==",
    path: "package/bin/steady",
    size: 90_596_104,
    sha256: "9c888d915647ff971a497acd39ee45ea63da5f19d12d4363124942c257c055ef",
  },
};

/** Version of {@link DENO}. */
export const DENO_RUNTIME = "2.8.3";

/** npm has this version of Deno for these processors. */
const DENO: Readonly<Partial<Record<Arch, Carrier>>> = {
  x86_64: {
    name: "@deno/linux-x64-glibc@2.8.3",
    archive: "deno-linux-x64-glibc-2.8.3.tgz",
    integrity:
      "sha512-73K6NpAFfGyEJ84nSSPECKilO1+gaEnNU90p/ebluWJBUFJ3HfpUgRxjG6hNXhVLuGDmp0u+2C00Cz6lbW4X+A==",
    path: "package/deno",
    size: 107_884_192,
    sha256: "fad410f13100362ebe95b6cb3d72305d8bc2e5cc8a11685bc19a9b15c0334d02",
  },
};

const LICENSE: PackagedFile = {
  name: "deno@2.8.3",
  archive: "deno-2.8.3.tgz",
  integrity:
    "sha512-k9G9EdoqBMOqtNatz/1s9daVedzVonMM/Cz2RTEG4e94p3ja+qKo6nJTa1WtpS0SXDHboSJg1ZTEsVkZJGeINw==",
  path: "package/LICENSE",
};

const CACHE = fromFileUrl(new URL("../../dist/cache", import.meta.url));

/** Returns the path of denort for a processor, from the cache or from npm. */
export async function npmRuntime(arch: Arch): Promise<string> {
  return await cached("denort", CARRIERS[arch]);
}

/** Returns the path of Deno for a processor, from the cache or from npm; `undefined` where npm has none. */
export async function npmDeno(arch: Arch): Promise<string | undefined> {
  const carrier = DENO[arch];
  return carrier && await cached("deno", carrier);
}

async function cached(name: string, carrier: Carrier): Promise<string> {
  const path = join(CACHE, `${name}-${carrier.sha256.slice(0, 16)}`);
  if (await hasDigest(path, carrier)) return path;
  await ensureDir(CACHE);
  const program = await fetchFile(carrier);
  await Deno.writeFile(path, program.subarray(0, carrier.size), { mode: 0o755 });
  if (!await hasDigest(path, carrier)) {
    throw new Error(`What was cut from ${carrier.name} is not ${name}`);
  }
  return path;
}

/** Returns the text of Deno's own licence. */
export async function denoLicense(): Promise<string> {
  return new TextDecoder().decode(await fetchFile(LICENSE));
}

/** Returns the bytes of a file of a package. @throws {Error} where the archive is not the one it was */
async function fetchFile({ name, archive, integrity, path }: PackagedFile): Promise<Uint8Array> {
  const folder = await Deno.makeTempDir({ prefix: "wsdaemon-npm-" });
  try {
    await run("npm", ["pack", "--silent", "--pack-destination", folder, name]);
    const file = join(folder, archive);
    const found = createHash("sha512").update(await Deno.readFile(file)).digest("base64");
    if (`sha512-${found}` !== integrity) {
      throw new Error(`${name} is not the package it was: its integrity is sha512-${found}`);
    }
    return await run("tar", ["-xzOf", file, path]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function hasDigest(path: string, { sha256 }: Carrier): Promise<boolean> {
  try {
    return createHash("sha256").update(await Deno.readFile(path)).digest("hex") === sha256;
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
