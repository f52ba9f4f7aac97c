/**
 * Makes the root of an image from packages of the Debian that this machine has: what wsdaemon and the
 * Git that it runs need, and no more. Nothing of the machine's own files goes in, and no package's
 * scripts are run, so neither root nor a container engine is needed.
 */

import { walk } from "@std/fs";
import { join } from "@std/path";
import { type Arch, DEBIAN_ARCH } from "../build/runtime.ts";
import { run } from "../release/run.ts";

/** What runs in the image; dash is its /bin/sh, and Git's scripts use the rest. */
const WANTED = ["git", "openssh-client", "ca-certificates", "dash", "coreutils", "sed", "grep"];

/** Dependencies for what is not run here: Git's Perl scripts, documents, the scripts of packages. */
const LEFT_OUT = new Set([
  "adduser",
  "debconf",
  "debconf-2.0",
  "dpkg",
  "git-man",
  "install-info",
  "liberror-perl",
  "openssl",
  "passwd",
  "perl",
]);

/** What a container needs none of; copyright files stay. */
const PRUNED = [
  "usr/share/bash-completion",
  "usr/share/bug",
  "usr/share/info",
  "usr/share/lintian",
  "usr/share/locale",
  "usr/share/man",
  "var/lib/git",
];

/** Directories that are links in a merged `/usr`. */
const MERGED = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

const FILES: Readonly<Record<string, string>> = {
  "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n" +
    "content:x:33333:33333:owner of content:/nonexistent:/bin/sh\n" +
    "nobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n",
  "etc/group": "root:x:0:\ncontent:x:33333:\nnogroup:x:65534:\n",
  "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
};

/** A package that went into a root. */
export interface UsedPackage {
  readonly name: string;
  readonly version: string;
}

/**
 * Makes the root in an empty folder.
 * @returns the packages that are in it, by name
 * @throws {Error} where this machine has no apt, or its packages cannot be reached
 */
export async function makeDebianRoot(
  root: string,
  work: string,
  arch: Arch,
): Promise<UsedPackage[]> {
  const apt = await openApt(join(work, "apt"), DEBIAN_ARCH[arch]);
  const names = await closure(apt, WANTED);
  const archives = join(work, "archives");
  await Deno.mkdir(archives);
  await run("apt-get", [...apt, "download", "-qq", ...names], { cwd: archives });
  for (const name of MERGED) {
    await Deno.mkdir(join(root, "usr", name), { recursive: true });
    await Deno.symlink(`usr/${name}`, join(root, name));
  }
  const files = [...Deno.readDirSync(archives)].map(({ name }) => join(archives, name)).sort();
  for (const file of files) await unpack(file, root);
  await finish(root);
  return await Promise.all(files.map(async (file) => {
    const [name, version] = (await run("dpkg-deb", ["--show", file])).trim().split("\t");
    return { name: name!, version: version! };
  }));
}

/** Returns the options of an apt with the machine's sources and a state of its own. */
async function openApt(folder: string, arch: string): Promise<string[]> {
  for (const name of ["lists/partial", "cache/archives/partial"]) {
    await Deno.mkdir(join(folder, name), { recursive: true });
  }
  await Deno.writeTextFile(join(folder, "status"), "");
  const options = {
    "APT::Architecture": arch,
    "APT::Architectures": arch,
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
    "Dir::Cache": join(folder, "cache"),
    "Dir::State": folder,
    "Dir::State::Lists": join(folder, "lists"),
    "Dir::State::status": join(folder, "status"),
  };
  const apt = Object.entries(options).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  await run("apt-get", [...apt, "update", "-qq"]);
  return apt;
}

/** Returns the packages with all that they depend on, sorted; of alternatives the first. */
async function closure(apt: readonly string[], wanted: readonly string[]): Promise<string[]> {
  const found = new Set(wanted);
  for (let left = [...wanted]; left.length > 0;) {
    const text = await run("apt-cache", [
      ...apt,
      "depends",
      ...["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"].map((kind) =>
        `--no-${kind}`
      ),
      ...left,
    ]);
    left = dependencies(text).filter((name) => !found.has(name) && !LEFT_OUT.has(name));
    for (const name of left) found.add(name);
  }
  return [...found].sort();
}

/** Reads what `apt-cache depends` prints. */
function dependencies(text: string): string[] {
  const names: string[] = [];
  let isAlternative = false;
  for (const line of text.split("\n")) {
    const [, bar, name] = /^ ([ |])(?:Pre)?Depends: (\S+)$/.exec(line) ?? [];
    if (name === undefined) continue;
    if (!isAlternative && !name.startsWith("<")) names.push(name.replace(/:\w+$/, ""));
    isAlternative = bar === "|";
  }
  return [...new Set(names)];
}

async function unpack(file: string, root: string): Promise<void> {
  const archive = `${root}.part`;
  const { success, stdout } = await new Deno.Command("dpkg-deb", {
    args: ["--fsys-tarfile", file],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${file} cannot be unpacked`);
  await Deno.writeFile(archive, stdout);
  await run("tar", ["--extract", "--keep-directory-symlink", "-f", archive, "-C", root]);
  await Deno.remove(archive);
}

/** Removes what is of no use, and writes what the packages' scripts would have made. */
async function finish(root: string): Promise<void> {
  for (const path of PRUNED) {
    await Deno.remove(join(root, path), { recursive: true }).catch(ignoreAbsence);
  }
  for await (const { path, name, isFile } of walk(join(root, "usr/share/doc"))) {
    if (isFile && name !== "copyright") await Deno.remove(path);
  }
  // Nothing here is to give anybody another user's rights.
  for await (const { path, isFile } of walk(join(root, "usr"), { includeSymlinks: false })) {
    const { mode } = await Deno.lstat(path);
    if (isFile && mode !== null && (mode & 0o6000) !== 0) await Deno.chmod(path, mode & 0o777);
  }
  for (const [path, text] of Object.entries(FILES)) {
    await Deno.writeTextFile(join(root, path), text);
  }
  await Deno.writeTextFile(join(root, "etc/ssl/certs/ca-certificates.crt"), authoritiesOf(root));
  // What a read-only root gets its mounts at.
  for (const path of ["dev", "etc/wsdaemon", "home", "proc", "run", "sys"]) {
    await Deno.mkdir(join(root, path), { recursive: true });
  }
  for (
    const [path, mode] of [["tmp", 0o1777], ["var/lib/wsdaemon", 0o711], ["root", 0o700]] as const
  ) {
    await Deno.mkdir(join(root, path), { recursive: true });
    await Deno.chmod(join(root, path), mode);
  }
}

/** Returns Mozilla's authorities, as `update-ca-certificates` joins them. */
function authoritiesOf(root: string): string {
  const folder = join(root, "usr/share/ca-certificates/mozilla");
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort()
    .map((name) => Deno.readTextFileSync(join(folder, name))).join("");
}

function ignoreAbsence(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
