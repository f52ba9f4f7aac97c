/** What a release consists of. */

import { gunzipSync } from "node:zlib";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { unpacksItself } from "../../scripts/build/unpacking.ts";
import { findProgram } from "../../src/process/find_program.ts";
import { testFolder } from "../fixtures/folder.ts";
import { has } from "../fixtures/tools.ts";
import { ran, RELEASE, releaseProblem, succeeds, version } from "./fixture.ts";

const PROJECT = fromFileUrl(new URL("../../", import.meta.url));
/** What checks a bill of materials, from npm. */
const VALIDATOR = ["@cyclonedx/cyclonedx-library@10.3.0", "ajv@8", "ajv-formats@3"]
  .concat("ajv-formats-draft2019@1");
/** Where Debian's libc6-arm64-cross and libgcc-s1-arm64-cross have the libraries of an emulated program. */
const SYSROOT = "/usr/aarch64-linux-gnu";
const QEMU = findProgram("qemu-aarch64", Deno.env.get("PATH") ?? "");
const problem = releaseProblem();

function test(name: string, run: () => Promise<void>, also?: string): void {
  const reason = problem ?? also;
  Deno.test({
    name: reason === undefined ? name : `${name} (ignored: ${reason})`,
    ignore: reason !== undefined,
    fn: run,
  });
}

async function sums(): Promise<string> {
  return await Deno.readTextFile(join(RELEASE, "SHA256SUMS"));
}

test("a release has all its files, with sums that fit", async () => {
  await succeeds("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: RELEASE });
  const named = (await sums()).trim().split("\n").map((line) => line.split("  ")[1]);
  assertEquals(
    named.sort(),
    [
      `wsdaemon-${version}-install.tar.gz`,
      `wsdaemon-${version}-kubernetes.tar.gz`,
      `wsdaemon-${version}-licenses.txt`,
      `wsdaemon-${version}-linux-aarch64`,
      `wsdaemon-${version}-linux-x86_64`,
      `wsdaemon-${version}-linux-x86_64.oci.tar`,
      `wsdaemon-${version}.cdx.json`,
      `wsdaemon_${version}_amd64.deb`,
      `wsdaemon_${version}_arm64.deb`,
    ].sort(),
  );
});

test("another checkout of the commit, elsewhere, with another cache, gives the same bytes", async () => {
  using folder = testFolder();
  const checkout = join(folder.path, "some/where/else");
  await succeeds("git", ["clone", "--quiet", "--no-hardlinks", PROJECT, checkout]);
  const head = (await succeeds("git", ["rev-parse", "HEAD"], { cwd: PROJECT })).trim();
  await succeeds("git", ["checkout", "--quiet", head], { cwd: checkout });
  await succeeds(Deno.execPath(), ["task", "release:npm", "--image"], {
    cwd: checkout,
    env: { DENO_DIR: join(folder.path, "cache"), TMPDIR: folder.path, HOME: folder.path },
  });
  assertEquals(
    await Deno.readTextFile(join(checkout, "dist/release/SHA256SUMS")),
    await sums(),
  );
});

test("the bill of materials is valid CycloneDX, and names the packages in the binary", async () => {
  using folder = testFolder();
  const bom = join(RELEASE, `wsdaemon-${version}.cdx.json`);
  const quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder.path];
  await succeeds("npm", ["install", ...quiet, ...VALIDATOR]);
  const script = `
    const { Validation, Spec } = require("@cyclonedx/cyclonedx-library");
    const text = require("node:fs").readFileSync(process.argv[1], "utf8");
    new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(text).then((problem) => {
      if (problem !== null) { console.error(JSON.stringify(problem)); process.exit(1); }
    });`;
  await succeeds("node", ["-e", script, bom], { cwd: folder.path });
  const { components } = JSON.parse(await Deno.readTextFile(bom)) as {
    components: { purl?: string }[];
  };
  const purls = components.flatMap(({ purl }) => purl ?? []);
  assert(purls.some((purl) => purl.startsWith("pkg:npm/%40grpc/grpc-js@")), purls.join("\n"));
  // What tests and generators need is in the lock file, and not in the binary.
  assert(!purls.some((purl) => /s3rver|fast-check|bufbuild\/buf@/.test(purl)), purls.join("\n"));
  const licenses = await Deno.readTextFile(join(RELEASE, `wsdaemon-${version}-licenses.txt`));
  for (const purl of purls) {
    const [, name, release] = /^pkg:npm\/(.+)@(.+)$/.exec(decodeURIComponent(purl))!;
    assert(licenses.includes(`\n${name} ${release} (`), `no licence of ${purl}`);
  }
});

test("no binary holds a path of who made it", async () => {
  const cache = JSON.parse(await succeeds(Deno.execPath(), ["info", "--json"])).denoDir as string;
  for (const arch of ["x86_64", "aarch64"]) {
    const path = join(RELEASE, `wsdaemon-${version}-linux-${arch}`);
    const bytes = await unpacksItself(path) ? await payloadOf(path) : await Deno.readFile(path);
    const text = new TextDecoder("latin1").decode(bytes);
    for (const path of [PROJECT, `${cache}/npm/`]) assert(!text.includes(path), `${arch}: ${path}`);
  }
});

test("the manifests name the image that is in the release by its digest", async () => {
  using folder = testFolder();
  const archive = join(RELEASE, `wsdaemon-${version}-kubernetes.tar.gz`);
  await succeeds("tar", ["-xzf", archive, "-C", folder.path]);
  const image = `oci-archive:${join(RELEASE, `wsdaemon-${version}-linux-x86_64.oci.tar`)}`;
  const { Digest } = JSON.parse(await succeeds("skopeo", ["inspect", image]));
  for (const path of ["base", "overlays/s3"]) {
    const file = join(folder.path, `wsdaemon-${version}-kubernetes`, path, "kustomization.yaml");
    assertStringIncludes(await Deno.readTextFile(file), `    digest: ${Digest}\n`);
  }
}, has("skopeo") ? undefined : "there is no skopeo");

/** Returns the archive that follows the lines of a program that unpacks itself. */
async function payloadOf(path: string): Promise<Uint8Array> {
  const bytes = await Deno.readFile(path);
  const offset = /^offset=(\d+)/m.exec(new TextDecoder("latin1").decode(bytes.subarray(0, 4096)))!;
  return gunzipSync(bytes.subarray(Number(offset[1]) - 1));
}

for (
  const { arch, command, why } of [
    { arch: "x86_64", command: [], why: Deno.build.arch === "x86_64" ? undefined : "not x86_64" },
    {
      arch: "aarch64",
      command: [QEMU!, "-L", SYSROOT],
      why: QEMU === undefined ? "there is no qemu-aarch64" : undefined,
    },
  ] as const
) {
  test(`the binary for ${arch} says version, commit, date and runtime`, async () => {
    const binary = join(RELEASE, `wsdaemon-${version}-linux-${arch}`);
    const [program, ...args] = [...command, binary, "--version"];
    using folder = testFolder();
    const env = { WSDAEMON_PROGRAM_DIR: folder.path };
    const { code, output } = await ran(program!, args, { env });
    assertEquals(code, 0, output);
    assertMatch(
      output,
      new RegExp(
        `^wsdaemon ${version} \\([0-9a-f]{12} of \\d{4}-\\d\\d-\\d\\d, deno \\d\\S+, linux ${arch}\\)\\n$`,
      ),
    );
  }, why);
}
