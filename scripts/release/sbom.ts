/** Writes what a binary consists of as a CycloneDX bill of materials (ECMA-424). */

import { createHash } from "node:crypto";
import type { Build } from "../../src/program_files.ts";
import type { BundledPackage } from "./packages.ts";

/** What a program of a release runs on. */
export interface Runtime {
  readonly name: "deno" | "denort";
  readonly version: string;
  /** SHA-256 of its file in hexadecimal; absent where Deno has downloaded it by itself. */
  readonly digest?: string;
}

/** What a bill of materials is about. */
export interface Materials {
  readonly version: string;
  readonly build: Build;
  readonly packages: readonly BundledPackage[];
  /** By the names of the binaries that have them. */
  readonly runtimes: ReadonlyMap<string, Runtime>;
}

/** Returns the bill of materials, as JSON; a function of its argument alone. */
export function billOfMaterials({ version, build, packages, runtimes }: Materials): string {
  const subject = `pkg:generic/wsdaemon@${version}`;
  const components = [
    ...[...runtimes].map(([binary, { name, version, digest }]) => ({
      type: "platform",
      "bom-ref": `pkg:generic/${name}@${version}?for=${binary}`,
      name,
      version,
      description: `${name === "deno" ? "Deno" : "Deno's base runtime"} in ${binary}`,
      ...(digest === undefined ? {} : { hashes: [{ alg: "SHA-256", content: digest }] }),
      licenses: [{ license: { id: "MIT" } }],
      externalReferences: [{ type: "vcs", url: "https://github.com/denoland/deno" }],
    })),
    ...packages.map(component),
  ];
  const bom = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      ...(build.date && { timestamp: build.date }),
      component: {
        type: "application",
        "bom-ref": subject,
        name: "wsdaemon",
        version,
        licenses: [{ license: { id: "MIT" } }],
        properties: [{ name: "wsdaemon:revision", value: build.revision }],
      },
    },
    components,
    dependencies: [
      { ref: subject, dependsOn: components.map((part) => part["bom-ref"]) },
    ],
  };
  const serialNumber = `urn:uuid:${uuidOf(JSON.stringify(bom))}`;
  const { bomFormat, specVersion, ...rest } = bom;
  return `${JSON.stringify({ bomFormat, specVersion, serialNumber, ...rest }, null, 2)}\n`;
}

function component({ name, version, integrity, license }: BundledPackage) {
  const [scope, plain] = name.startsWith("@") ? name.split("/") : [undefined, name];
  const path = scope === undefined ? plain! : `${encodeURIComponent(scope)}/${plain}`;
  const purl = `pkg:npm/${path}@${version}`;
  return {
    type: "library",
    "bom-ref": purl,
    ...(scope === undefined ? {} : { group: scope }),
    name: plain!,
    version,
    hashes: [{ alg: "SHA-512", content: hexadecimal(integrity) }],
    licenses: [{ expression: license }],
    purl,
  };
}

/** Returns the digest of an `integrity` of a lock file. */
function hexadecimal(integrity: string): string {
  const [algorithm, base64] = integrity.split("-");
  if (algorithm !== "sha512") throw new Error(`Unexpected digest in deno.lock: ${integrity}`);
  return Uint8Array.fromBase64(base64!).toHex();
}

/** Returns a UUID (RFC 9562, version 8) that is a function of a text. */
function uuidOf(text: string): string {
  const bytes = createHash("sha256").update(text).digest().subarray(0, 16);
  bytes[6] = bytes[6]! & 0x0f | 0x80;
  bytes[8] = bytes[8]! & 0x3f | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
