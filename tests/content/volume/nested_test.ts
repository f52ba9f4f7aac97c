/** Subvolumes that a workspace's owner makes within a tree. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { openBtrfsVolume } from "../../../src/content/volume/btrfs_volume.ts";
import { Directory, enableQuota, isErrno, openLibc } from "../../../src/linux/mod.ts";
import { libcPath } from "../../../src/process/libc.ts";
import {
  btrfs,
  canMountBtrfs,
  mountBtrfs,
  subvolumePaths,
  TENANT,
  writeAsTenant,
} from "../../fixtures/btrfs.ts";
import { eventually } from "../../fixtures/eventually.ts";
import { OpenFixture } from "./conformance.ts";

const ignore = !canMountBtrfs();

function open(): OpenFixture & { mount: string } {
  openLibc(libcPath());
  const mount = mountBtrfs();
  using top = Directory.open(mount.path, "top");
  enableQuota(top, "simple");
  const fixture = new OpenFixture({ ...mount, volume: openBtrfsVolume(top) });
  return Object.assign(fixture, { mount: mount.path });
}

Deno.test({
  name: "subvolumes within a tree are cloned and frozen with it, and deleted with it",
  ignore,
  fn() {
    using at = open();
    using top = at.make("a");
    const path = at.pathOf("a");
    Deno.mkdirSync(join(path, "folder"));
    btrfs("subvolume", "create", join(path, "folder/one"));
    btrfs("subvolume", "create", join(path, "folder/one/two"));
    Deno.writeTextFileSync(join(path, "folder/one/file"), "1");
    Deno.writeTextFileSync(join(path, "folder/one/two/file"), "2");
    btrfs("subvolume", "snapshot", "-r", join(path, "folder/one"), join(path, "readonly"));
    Deno.utimeSync(join(path, "folder"), 1_000_000_000, 1_000_000_000);
    const { snapshots } = at.volume;
    snapshots!.freeze(top, at.dir, "f");
    snapshots!.clone(top, at.dir, "c");
    Deno.writeTextFileSync(join(path, "folder/one/two/file"), "edited");
    for (const copy of ["f", "c"]) {
      const there = at.pathOf(copy);
      assertEquals(Deno.readTextFileSync(join(there, "folder/one/file")), "1");
      assertEquals(Deno.readTextFileSync(join(there, "folder/one/two/file")), "2");
      assertEquals(Deno.readTextFileSync(join(there, "readonly/file")), "1");
      assertEquals(Deno.statSync(join(there, "folder")).mtime, new Date(1e12));
    }
    assertEquals(
      btrfs("property", "get", join(at.pathOf("f"), "folder/one"), "ro").trim(),
      "ro=true",
    );
    Deno.writeTextFileSync(join(at.pathOf("c"), "folder/one/two/file"), "mine");
    for (const tree of ["a", "f", "c"]) at.remove(tree);
    assertEquals(subvolumePaths(at.mount), []);
  },
});

Deno.test({
  name: "subvolumes in subvolumes, deeper than are opened at once, are deleted",
  ignore,
  fn() {
    using at = open();
    using _top = at.make("a");
    let path = at.pathOf("a");
    for (let n = 0; n < 70; n++) btrfs("subvolume", "create", path = join(path, "s"));
    btrfs("property", "set", at.pathOf("a"), "ro", "true");
    btrfs("property", "set", path, "ro", "true");
    at.remove("a");
    assertEquals(subvolumePaths(at.mount), []);
  },
});

Deno.test({
  name: "a limit holds for subvolumes that were in the tree before it, and goes when the tree does",
  ignore,
  async fn() {
    using at = open();
    const limits = at.volume.limits!;
    const top = at.make("a");
    const inner = join(at.pathOf("a"), "inner");
    btrfs("subvolume", "create", inner);
    Deno.chmodSync(inner, 0o777);
    limits.limit(at.dir, top, 20 << 20);
    top.close();
    assertEquals(writeAsTenant(join(inner, "large"), 30), "quota");
    at.remove("a");
    // The kernel gives up the groups of the two subvolumes in transactions after the one in which it
    // has cleaned them up, so a wait for the cleaner alone is too short.
    await eventually(() => {
      btrfs("filesystem", "sync", at.mount);
      limits.sweep(at.dir);
      assertEquals([...limits.usages(at.dir)], []);
    });
  },
});

Deno.test({
  name: "a limit holds, and can be lifted, whatever qgroups others have made",
  ignore,
  async fn() {
    using at = open();
    const limits = at.volume.limits!;
    const top = at.make("a");
    Deno.chmodSync(at.pathOf("a"), 0o777);
    const group = limits.keyOf(top)!;
    const shown = `${group >> 48n}/${group & (1n << 48n) - 1n}`;
    // One in its own group's place, with a limit of its own; one that the tree is in besides.
    for (const name of [shown, "1/7"]) btrfs("qgroup", "create", name, at.mount);
    btrfs("qgroup", "limit", "1M", shown, at.mount);
    btrfs("qgroup", "assign", shown.replace(/^\d+/, "0"), "1/7", at.mount);
    limits.limit(at.dir, top, 40 << 20);
    assertEquals(writeAsTenant(join(at.pathOf("a"), "large"), 20), "written");
    assertEquals(writeAsTenant(join(at.pathOf("a"), "larger"), 40), "quota");
    limits.limit(at.dir, top);
    assertEquals(writeAsTenant(join(at.pathOf("a"), "larger"), 40), "written");
    // Theirs holds for whoever writes, too, and is in nobody's way when the tree goes.
    btrfs("qgroup", "limit", "70M", "1/7", at.mount);
    assertEquals(writeAsTenant(join(at.pathOf("a"), "more"), 20), "quota");
    top.close();
    at.remove("a");
    await eventually(() => {
      btrfs("filesystem", "sync", at.mount);
      limits.sweep(at.dir);
      assertEquals([...limits.usages(at.dir)], []);
    });
  },
});

/** What a tenant does as fast as it can until it is killed. */
const ATTACK = `
import os, subprocess, sys
top, n = sys.argv[1], 0
os.chdir(top)
def run(*args):
    subprocess.run(["btrfs", "-q", "subvolume", *args], stdout=-3, stderr=-3)
def attempt(act, *args):
    try: act(*args)
    except OSError: pass
print("begun", flush=True)
while True:
    # Few names: each snapshot waits for the disk.
    n = (n + 1) % 4
    run("create", f"s{n}")
    attempt(os.mkdir, f"s{n}/d")
    run("create", f"s{n}/d/inner")
    run("snapshot", f"s{n}", f"snap{n}")
    run("snapshot", "-r", f"s{n}", f"ro{n}")
    attempt(os.rename, f"s{n}/d/inner", f"moved{n}")
    attempt(os.rename, f"moved{n}", f"snap{n}/back")
    attempt(os.symlink, "../../canary", f"s{n}/d/inner")
    attempt(os.rename, f"s{n}", f"t{n}")
    attempt(os.rmdir, f"moved{n}")
    attempt(os.rename, f"t{n}/in", f"s{n}")
    attempt(os.rename, f"t{n}", f"ro{(n + 1) % 4}/in")
    attempt(os.rename, f"t{n}", f"t{(n + 1) % 4}/in")
`;

Deno.test({
  name: "whatever a tenant does with subvolumes meanwhile, nothing outside of its tree is touched",
  ignore,
  async fn() {
    using at = open();
    Deno.mkdirSync(at.pathOf("canary"));
    btrfs("subvolume", "create", join(at.pathOf("canary"), "inner"));
    Deno.writeTextFileSync(join(at.pathOf("canary"), "inner/file"), "outside");
    using top = at.make("a");
    const child = new Deno.Command("/usr/bin/python3", {
      args: ["-c", ATTACK, at.pathOf("a")],
      ...TENANT,
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    try {
      assert(!(await reader.read()).done);
      for (let n = 0; n < 3; n++) {
        try {
          at.volume.snapshots!.freeze(top, at.dir, "f");
          at.remove("f");
        } catch (error) {
          if (!isErrno(error, "EAGAIN")) throw error;
        }
        await new Promise((resolve) => setTimeout(resolve));
      }
      at.remove("a");
    } finally {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    }
    assertEquals(subvolumePaths(at.mount), ["trees/canary/inner"]);
    assertEquals(Deno.readTextFileSync(join(at.pathOf("canary"), "inner/file")), "outside");
  },
});
