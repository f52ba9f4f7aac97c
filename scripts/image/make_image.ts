/** Makes a container image of a binary, without a container engine. */

import { join } from "@std/path";
import { type Arch, DEBIAN_ARCH } from "../build/runtime.ts";
import { makeDebianRoot, type UsedPackage } from "./debian_root.ts";
import { makeArchive, writeLayout } from "./oci_layout.ts";

/** A binary, and where its image goes. */
export interface MakeImageOptions {
  /** Path of the executable. */
  readonly binary: string;
  readonly arch: Arch;
  readonly version: string;
  /** The commit that it was made of. */
  readonly revision: string;
  /** ISO 8601; the same binary, packages and time give the same digest. */
  readonly created: string;
  /** Path of the archive to write: an OCI image layout in a tar file. */
  readonly output: string;
}

/** An image that was made. */
export interface MadeImage {
  /** Of its manifest: what `image@sha256:…` names once it is in a registry. */
  readonly digest: string;
  /** Debian packages that are in it. */
  readonly packages: readonly UsedPackage[];
}

/** Makes the image. @throws {Error} naming the program that failed, and what it said */
export async function makeImage(options: MakeImageOptions): Promise<MadeImage> {
  const { binary, arch, version, revision, created, output } = options;
  const work = await Deno.makeTempDir({ prefix: "wsdaemon-image-" });
  try {
    const [base, program, layout] = ["base", "program", "layout"].map((name) =>
      join(work, name)
    ) as [
      string,
      string,
      string,
    ];
    for (const folder of [base, join(program, "usr", "local", "bin"), layout]) {
      await Deno.mkdir(folder, { recursive: true });
      await Deno.chmod(folder, 0o755);
    }
    const packages = await makeDebianRoot(base, work, arch);
    const executable = join(program, "usr", "local", "bin", "wsdaemon");
    await Deno.copyFile(binary, executable);
    await Deno.chmod(executable, 0o755);
    const digest = await writeLayout(layout, {
      layers: [
        { folder: base, madeBy: `${packages.length} Debian packages` },
        { folder: program, madeBy: `wsdaemon ${version}` },
      ],
      arch: DEBIAN_ARCH[arch],
      created,
      tag: version,
      config: CONFIG,
      annotations: {
        "org.opencontainers.image.created": created,
        "org.opencontainers.image.description": "Workspace content daemon",
        "org.opencontainers.image.licenses": "MIT",
        "org.opencontainers.image.revision": revision,
        "org.opencontainers.image.title": "wsdaemon",
        "org.opencontainers.image.version": version,
      },
    });
    await makeArchive(layout, output, created);
    return { digest, packages };
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** How a container of it is run; owners of content are the host's, so it begins as root. */
const CONFIG = {
  User: "0:0",
  Env: ["PATH=/usr/local/bin:/usr/bin:/bin"],
  Entrypoint: ["/usr/local/bin/wsdaemon"],
  Cmd: ["run", "--config", "/etc/wsdaemon/config.json"],
  ExposedPorts: { "8080/tcp": {}, "9500/tcp": {} },
  Volumes: { "/var/lib/wsdaemon": {} },
  WorkingDir: "/",
  StopSignal: "SIGTERM",
};
