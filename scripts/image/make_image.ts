/** Makes a container image of a binary, without a container engine. */

import { join } from "@std/path";
import { type Arch, DEBIAN_ARCH } from "../build/runtime.ts";
import { makeDebianRoot, type UsedPackage } from "./debian_root.ts";
import { launcher, unpackProgram, unpacksItself } from "../build/unpacking.ts";
import { type Layer, makeArchive, writeLayout } from "./oci_layout.ts";

/** Where an image has the files of a program; another version is another image. */
const PROGRAM_FOLDER = "/usr/local/lib/wsdaemon";

/** A binary, and where its image goes. */
export interface MakeImageOptions {
  /** Path of the executable, or of a program that unpacks itself: the image has its files then. */
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
    const [base, layout] = [join(work, "base"), join(work, "layout")];
    for (const folder of [base, layout]) {
      await Deno.mkdir(folder, { recursive: true });
      await Deno.chmod(folder, 0o755);
    }
    const packages = await makeDebianRoot(base, work, arch);
    const digest = await writeLayout(layout, {
      layers: [
        { folder: base, madeBy: `${packages.length} Debian packages` },
        ...await programLayers(work, binary, version),
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

/**
 * Makes the folders of the program's layers. Of one that unpacks itself Deno is a layer of its own, which
 * the next version has, too.
 */
async function programLayers(work: string, binary: string, version: string): Promise<Layer[]> {
  const [runtime, program] = [join(work, "runtime"), join(work, "program")];
  const executable = await folderOf(program, "usr", "local", "bin", "wsdaemon");
  const madeBy = `wsdaemon ${version}`;
  if (!await unpacksItself(binary)) {
    await Deno.copyFile(binary, executable);
    await Deno.chmod(executable, 0o755);
    return [{ folder: program, madeBy }];
  }
  const unpacked = await unpackProgram(binary, join(work, "unpacked"));
  const deno = await folderOf(runtime, PROGRAM_FOLDER, "wsdaemon");
  await Deno.rename(join(unpacked, "wsdaemon"), deno);
  await Deno.rename(unpacked, await folderOf(program, PROGRAM_FOLDER));
  await Deno.writeTextFile(executable, launcher(PROGRAM_FOLDER));
  await Deno.chmod(executable, 0o755);
  return [{ folder: runtime, madeBy: "Deno" }, { folder: program, madeBy }];
}

/** Makes the folders above a path, for all to enter. @returns the path */
async function folderOf(root: string, ...path: string[]): Promise<string> {
  const folders = join(...path).split("/").filter((name) => name !== "").slice(0, -1);
  let folder = root;
  for (const name of ["", ...folders]) {
    folder = join(folder, name);
    await Deno.mkdir(folder, { recursive: true });
    await Deno.chmod(folder, 0o755);
  }
  return join(root, ...path);
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
