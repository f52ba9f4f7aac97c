/** Gets what the emulated machine consists of from Debian: a kernel, a C library, and programs for tests. */

import { ensureDir } from "@std/fs";
import { join } from "@std/path";
import { run } from "../release/run.ts";

/** Besides the kernel. Tests look at files through Python, `stat` and a shell. */
const PACKAGES = [
  ...["busybox-static", "coreutils", "libc6", "libgcc-s1", "libacl1", "libattr1", "libgmp10"],
  ...["libpcre2-8-0", "libselinux1", "python3.11-minimal", "libpython3.11-minimal"],
  ...["libpython3.11-stdlib", "libexpat1", "zlib1g", "libssl3"],
];

/** What {@link fetchGuest} has fetched. */
export interface Guest {
  /** The folder of its root. */
  readonly root: string;
  /** Path of its kernel. */
  readonly kernel: string;
  /** Path in it of the kernel's modules. */
  readonly modules: string;
}

/**
 * Fetches and unpacks the packages below a folder, by an apt that knows of nothing but that folder and
 * this machine's sources. @throws {Error} where apt cannot
 */
export async function fetchGuest(folder: string): Promise<Guest> {
  const [state, debs, root] = ["apt", "debs", "root"].map((name) => join(folder, name));
  for (const path of [join(state!, "lists/partial"), join(state!, "archives/partial"), debs!]) {
    await ensureDir(path);
  }
  await Deno.writeTextFile(join(state!, "status"), "");
  const apt = (...args: string[]) =>
    run("apt-get", [
      ...["APT::Architecture=arm64", "APT::Architectures::=arm64", "APT::Sandbox::User=root"]
        .concat(`Dir::State=${state}`, `Dir::State::status=${state}/status`, `Dir::Cache=${state}`)
        .flatMap((option) => ["-o", option]),
      ...args,
    ], { cwd: debs! });
  await apt("--quiet", "update");
  // The package that always has the newest kernel names it.
  const simulated = await apt(
    "install",
    "--simulate",
    "--no-install-recommends",
    "linux-image-arm64",
  );
  const image = /^Inst (linux-image-\d\S+)/m.exec(simulated)?.[1];
  if (image === undefined) throw new Error(`apt names no kernel for arm64:\n${simulated}`);
  await apt("--quiet", "download", image, ...PACKAGES);
  await ensureDir(root!);
  for await (const { name } of Deno.readDir(debs!)) {
    await run("dpkg-deb", ["--extract", join(debs!, name), root!]);
  }
  const version = image.slice("linux-image-".length);
  return {
    root: root!,
    kernel: join(root!, "boot", `vmlinuz-${version}`),
    modules: `lib/modules/${version}/kernel`,
  };
}
