/**
 * Makes a container image of the binary in `dist/`, or of another one, and prints its digest:
 * `deno task image [--binary FILE] [--arch x86_64|aarch64] [--output FILE]`. The image is an OCI image
 * layout in a tar file, for `skopeo copy oci-archive:FILE docker://…` and `podman load`.
 */

import { parseArgs } from "node:util";
import { fromFileUrl, join } from "@std/path";
import { buildRecord } from "./build/build_record.ts";
import type { Arch } from "./build/runtime.ts";
import { makeImage } from "./image/make_image.ts";

const DIST = fromFileUrl(new URL("../dist", import.meta.url));

function version(): string {
  const text = Deno.readTextFileSync(new URL("../deno.json", import.meta.url));
  return JSON.parse(text).version;
}

function archOf(text: string): Arch {
  if (text === "x86_64" || text === "aarch64") return text;
  throw new Error(`--arch must be x86_64 or aarch64, and is ${text}`);
}

async function image(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      binary: { type: "string", default: join(DIST, "wsdaemon") },
      arch: { type: "string", default: Deno.build.arch },
      output: { type: "string" },
    },
  });
  const arch = archOf(values.arch);
  const output = values.output ?? join(DIST, `wsdaemon-${version()}-linux-${arch}.oci.tar`);
  const { revision, date } = await buildRecord();
  const { digest, packages } = await makeImage({
    binary: values.binary,
    arch,
    version: version(),
    revision,
    created: date ?? "1970-01-01T00:00:00Z",
    output,
  });
  const lines = [
    ...packages.map(({ name, version }) => `${name} ${version}`),
    `${output}`,
    `${digest}`,
  ];
  await Deno.stdout.write(new TextEncoder().encode(`${lines.join("\n")}\n`));
}

if (import.meta.main) {
  try {
    await image(Deno.args);
  } catch (error) {
    const line = `error: ${error instanceof Error ? error.message : error}\n`;
    Deno.stderr.writeSync(new TextEncoder().encode(line));
    Deno.exit(1);
  }
}
