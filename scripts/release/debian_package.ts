/** Makes a package for Debian and its like of a binary. */

import { ensureDir, walk } from "@std/fs";
import { dirname, fromFileUrl, join } from "@std/path";
import { type Arch, DEBIAN_ARCH } from "../build/runtime.ts";
import { launcher, unpackProgram, unpacksItself } from "../build/unpacking.ts";
import { run } from "./run.ts";

const SCRIPTS = fromFileUrl(new URL("../", import.meta.url));
const CONFIG = "/etc/wsdaemon/config.json";

/** What goes into a package. */
export interface PackageContent {
  readonly version: string;
  readonly arch: Arch;
  /** Path of the executable, or of a program that unpacks itself: its files are installed then. */
  readonly binary: string;
  /** Completions for bash, zsh and fish, and the manual page. */
  readonly generated: Readonly<Record<"bash" | "fish" | "man" | "zsh", string>>;
  readonly licenses: string;
  readonly changelog: string;
  /** Seconds since the epoch that every file gets. */
  readonly date: number;
}

/** Returns the name of a package's file. */
export function packageName(version: string, arch: Arch): string {
  return `wsdaemon_${version}_${DEBIAN_ARCH[arch]}.deb`;
}

/** Writes the package to a path; the same content gives the same bytes. */
export async function makeDebianPackage(content: PackageContent, output: string): Promise<void> {
  const root = await Deno.makeTempDir({ dir: dirname(output), prefix: "deb-" });
  try {
    await Deno.chmod(root, 0o755);
    for (const [path, { mode, bytes }] of await filesOf(content)) {
      const target = join(root, path);
      await ensureDir(dirname(target));
      await Deno.writeFile(target, bytes);
      await Deno.chmod(target, mode);
    }
    await putProgram(root, content.binary);
    await writeControl(root, content);
    for await (const { path, isDirectory } of walk(root)) {
      if (isDirectory) await Deno.chmod(path, 0o755);
      await Deno.utime(path, content.date, content.date);
    }
    // One thread: with more, xz cuts the stream by their number.
    const flags = ["--root-owner-group", "-Zxz", "-z1", "--threads-max=1"];
    await run("dpkg-deb", [...flags, "--build", root, output], {
      env: { SOURCE_DATE_EPOCH: String(content.date) },
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

interface PackagedFile {
  readonly mode: number;
  readonly bytes: Uint8Array;
}

async function filesOf(content: PackageContent): Promise<Map<string, PackagedFile>> {
  const { generated, licenses, changelog } = content;
  const doc = "/usr/share/doc/wsdaemon";
  const text = (value: string, mode = 0o644) => ({ mode, bytes: new TextEncoder().encode(value) });
  const unit = (await Deno.readTextFile(join(SCRIPTS, "wsdaemon.service")))
    .replaceAll("/usr/local/bin/wsdaemon", "/usr/bin/wsdaemon");
  const files: [string, PackagedFile][] = [
    ["/usr/lib/systemd/system/wsdaemon.service", text(unit)],
    [
      "/usr/lib/sysusers.d/wsdaemon.conf",
      text(await Deno.readTextFile(join(SCRIPTS, "wsdaemon.sysusers.conf"))),
    ],
    // It may come to hold keys.
    [CONFIG, text(await Deno.readTextFile(join(SCRIPTS, "config/single-node.json")), 0o600)],
    ["/usr/share/bash-completion/completions/wsdaemon", text(generated.bash)],
    ["/usr/share/zsh/vendor-completions/_wsdaemon", text(generated.zsh)],
    ["/usr/share/fish/vendor_completions.d/wsdaemon.fish", text(generated.fish)],
    ["/usr/share/man/man1/wsdaemon.1.gz", { mode: 0o644, bytes: await gzip(generated.man) }],
    [`${doc}/copyright`, text(licenses)],
    [`${doc}/changelog.gz`, { mode: 0o644, bytes: await gzip(changelog) }],
  ];
  for await (const { name } of Deno.readDir(join(SCRIPTS, "config"))) {
    const sample = await Deno.readTextFile(join(SCRIPTS, "config", name));
    files.push([`${doc}/examples/${name}`, text(sample)]);
  }
  return new Map(files);
}

async function putProgram(root: string, binary: string): Promise<void> {
  const program = join(root, "usr/bin/wsdaemon");
  await ensureDir(dirname(program));
  if (await unpacksItself(binary)) {
    const folder = await unpackProgram(binary, join(root, "usr/lib/wsdaemon"));
    await Deno.writeTextFile(program, launcher(folder.slice(root.length)));
  } else await Deno.copyFile(binary, program);
  await Deno.chmod(program, 0o755);
}

async function writeControl(root: string, { version, arch }: PackageContent): Promise<void> {
  let bytes = 0;
  const sums: string[] = [];
  for await (const { path } of walk(root, { includeDirs: false })) {
    bytes += (await Deno.stat(path)).size;
    const [sum] = (await run("md5sum", [path])).split(" ");
    sums.push(`${sum}  ${path.slice(root.length + 1)}`);
  }
  const folder = join(root, "DEBIAN");
  await ensureDir(folder);
  const control = `Package: wsdaemon
Version: ${version}
Architecture: ${DEBIAN_ARCH[arch]}
Maintainer: The wsdaemon authors <authors@wsdaemon.invalid>
Installed-Size: ${Math.ceil(bytes / 1024)}
Depends: libc6 (>= 2.27), libgcc-s1, init-system-helpers (>= 1.51), git (>= 1:2.30)
Recommends: systemd
Section: admin
Priority: optional
Description: looks after the content of the workspaces on a node
 A daemon that fills, saves, restores and deletes workspaces on behalf of a
 platform, over gRPC; it is wire-compatible with Gitpod's ws-daemon. Saves are
 incremental and stored as OCI images, in a folder or in S3.
`;
  await Deno.writeTextFile(join(folder, "control"), control);
  await Deno.writeTextFile(join(folder, "conffiles"), `${CONFIG}\n`);
  await Deno.writeTextFile(join(folder, "md5sums"), `${sums.sort().join("\n")}\n`);
  for (const name of ["postinst", "prerm", "postrm"]) {
    await Deno.copyFile(join(SCRIPTS, "debian", name), join(folder, name));
    await Deno.chmod(join(folder, name), 0o755);
  }
}

/** Returns the text compressed, without a name and a time in the header. */
async function gzip(text: string): Promise<Uint8Array> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return await new Response(stream).bytes();
}
