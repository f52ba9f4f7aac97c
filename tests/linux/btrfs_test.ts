import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  assignQgroup,
  changedInodes,
  createQgroup,
  createSnapshot,
  createSubvolume,
  deletedSubvolumes,
  destroyQgroup,
  destroySubvolume,
  destroySubvolumeById,
  Directory,
  disableQuota,
  enableQuota,
  fileSystemUuid,
  inodePath,
  isBtrfs,
  isReadOnlySubvolume,
  isSubvolumeTop,
  limitQgroup,
  nestedSubvolumePath,
  nestedSubvolumes,
  openLibc,
  qgroupId,
  qgroupUsages,
  quotaStatus,
  setReadOnlySubvolume,
  subvolumeInfo,
  syncBtrfs,
  SystemError,
  waitForQuotaRescan,
} from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import {
  btrfs,
  canMountBtrfs,
  mountBtrfs,
  subvolumePaths,
  writeAsTenant,
} from "../fixtures/btrfs.ts";
import { openFolder } from "./fixture.ts";

const ignore = !canMountBtrfs();
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const MIB = 1 << 20;

/** A btrfs for the tests of this file, open at its top. */
function openBtrfs() {
  openLibc(libcPath());
  const mount = mountBtrfs();
  const top = Directory.open(mount.path, "top");
  return {
    path: mount.path,
    top,
    [Symbol.dispose]() {
      top.close();
      mount[Symbol.dispose]();
    },
  };
}

Deno.test({
  name: "subvolumes and snapshots are made, frozen, found and deleted, as btrfs-progs sees them",
  ignore,
  fn() {
    using fs = openBtrfs();
    const { top, path } = fs;
    assert(isBtrfs(top));
    createSubvolume(top, "a");
    using a = top.openDirectory("a");
    assert(isSubvolumeTop(a.stat()) && !isReadOnlySubvolume(a));
    Deno.writeTextFileSync(`${path}/a/file`, "one");
    a.makeDirectory("folder");
    using folder = a.openDirectory("folder");
    assert(!isSubvolumeTop(folder.stat()));
    createSubvolume(folder, "nested");
    createSnapshot(a, top, "frozen", { readOnly: true });
    createSnapshot(a, top, "clone");
    Deno.writeTextFileSync(`${path}/a/file`, "two");

    assertEquals(subvolumePaths(path), ["a", "a/folder/nested", "clone", "frozen"]);
    assertEquals(Deno.readTextFileSync(`${path}/frozen/file`), "one");
    assertThrows(() => Deno.writeTextFileSync(`${path}/frozen/file`, "x"), Error, "os error 30");
    Deno.writeTextFileSync(`${path}/clone/file`, "three");

    using frozen = top.openDirectory("frozen");
    const info = subvolumeInfo(frozen);
    assert(info.readOnly && isReadOnlySubvolume(frozen));
    assertEquals(info.parentUuid, subvolumeInfo(a).uuid);
    const shown = btrfs("subvolume", "show", `${path}/frozen`);
    assertEquals(/Subvolume ID:\s+(\d+)/.exec(shown)?.[1], `${info.id}`);
    assertEquals(/Gen at creation:\s+(\d+)/.exec(shown)?.[1], `${info.createdGeneration}`);
    assertEquals(/\bUUID:\s+(\S+)/.exec(shown)?.[1]?.replaceAll("-", ""), info.uuid);
    assertEquals(fileSystemUuid(top).length, 32);

    const [nested, ...others] = nestedSubvolumes(a);
    assertEquals(others, []);
    assertEquals(nested!.directoryInode, folder.stat().ino);
    const { parent, name } = nestedSubvolumePath(a, nested!);
    assertEquals([text(parent), text(name)], ["folder", "nested"]);
    assertEquals(text(inodePath(top, nested!.directoryInode, subvolumeInfo(a).id)), "folder");
    assertThrows(() => destroySubvolume(top, "a"), SystemError, "ENOTEMPTY");
    destroySubvolumeById(top, nested!.id);
    destroySubvolume(top, "a");
    assertThrows(() => destroySubvolumeById(top, nested!.id), SystemError, "ENOENT");

    setReadOnlySubvolume(frozen, false);
    Deno.writeTextFileSync(`${path}/frozen/file`, "x");
    setReadOnlySubvolume(frozen, true);
    destroySubvolume(top, "frozen");
    destroySubvolume(top, "clone");
    assertEquals(subvolumePaths(path), []);
  },
});

Deno.test({
  name: "more nested subvolumes than one answer holds are all found",
  ignore,
  fn() {
    using fs = openBtrfs();
    const ids = new Set<bigint>();
    for (let n = 0; n < 300; n++) {
      createSubvolume(fs.top, `s${n}`);
      using made = fs.top.openDirectory(`s${n}`);
      ids.add(subvolumeInfo(made).id);
    }
    assertEquals(new Set(nestedSubvolumes(fs.top).map(({ id }) => id)), ids);
  },
});

Deno.test({
  name: "names that lead elsewhere, that end early or are too long are refused before the kernel",
  ignore,
  fn() {
    using fs = openBtrfs();
    for (const name of ["..", ".", "", "a/b", "a\0b"]) {
      assertThrows(() => createSubvolume(fs.top, name), SystemError, "EINVAL");
      assertThrows(() => destroySubvolume(fs.top, name), SystemError, "EINVAL");
    }
    assertThrows(() => createSubvolume(fs.top, "n".repeat(256)), SystemError, "ENAMETOOLONG");
    fs.top.makeDirectory("folder");
    assertThrows(() => destroySubvolume(fs.top, "folder"), SystemError);
    fs.top.symlink("folder", "link");
    assertThrows(() => destroySubvolume(fs.top, "link"), SystemError);
  },
});

Deno.test({
  name: "the inodes that changed since a snapshot are listed, with their paths",
  ignore,
  fn() {
    using fs = openBtrfs();
    const { top, path } = fs;
    createSubvolume(top, "a");
    using a = top.openDirectory("a");
    for (const folder of ["x", "y", "z"]) {
      a.makeDirectory(folder);
      for (let n = 0; n < 500; n++) Deno.writeTextFileSync(`${path}/a/${folder}/${n}`, `${n}`);
    }
    createSnapshot(a, top, "before", { readOnly: true });
    using before = top.openDirectory("before");
    const generation = subvolumeInfo(before).createdGeneration;
    const changed = () => {
      const paths: string[] = [];
      changedInodes(a, generation, ({ inode }) => paths.push(text(inodePath(a, inode))));
      return paths.sort();
    };
    assertEquals(changed(), []);
    Deno.writeTextFileSync(`${path}/a/x/7`, "edited", { append: true });
    Deno.removeSync(`${path}/a/y/8`);
    Deno.chmodSync(`${path}/a/z/9`, 0o600);
    Deno.linkSync(`${path}/a/x/7`, `${path}/a/z/linked`);
    syncBtrfs(top);
    const names = changed().map((name) => name === "z/linked" ? "x/7" : name).sort();
    assertEquals(names, ["x/7", "y", "z", "z/9"]);
    assertThrows(() => inodePath(a, 999_999n), SystemError, "ENOENT");
  },
});

Deno.test({
  name:
    "with simple quotas a group's limit holds for a subvolume, those made in it and any process",
  ignore,
  fn() {
    using fs = openBtrfs();
    const { top, path } = fs;
    assertEquals(quotaStatus(top).mode, "off");
    enableQuota(top, "simple");
    assertEquals(quotaStatus(top), { mode: "simple", inconsistent: false });
    createSubvolume(top, "w");
    using w = top.openDirectory("w");
    w.chmod(0o777);
    const { id } = subvolumeInfo(w);
    const group = qgroupId(1, id);
    createQgroup(top, group);
    assignQgroup(top, id, group);
    assignQgroup(top, id, group);
    limitQgroup(top, group, 20 * MIB);
    createSubvolume(w, "nested");
    Deno.chmodSync(`${path}/w/nested`, 0o777);

    assertEquals(writeAsTenant(`${path}/w/small`, 8), "written");
    assertEquals(writeAsTenant(`${path}/w/nested/large`, 30), "quota");
    syncBtrfs(top);
    const usage = qgroupUsages(top).get(group)!;
    assertEquals(usage.maxReferenced, 20 * MIB);
    assert(usage.referenced > 8 * MIB && usage.referenced <= 20 * MIB, `${usage.referenced}`);

    limitQgroup(top, group);
    assertEquals(qgroupUsages(top).get(group)!.maxReferenced, undefined);
    assertEquals(writeAsTenant(`${path}/w/nested/large`, 30), "written");
    assertThrows(() => destroyQgroup(top, id), SystemError, "EBUSY");
    disableQuota(top);
    assertEquals(quotaStatus(top).mode, "off");
    assertThrows(() => limitQgroup(top, group, MIB), SystemError, "ENOTCONN");
    assertEquals(qgroupUsages(top).size, 0);
  },
});

Deno.test({
  name: "with full qgroups a subvolume's own limit holds, and btrfs-progs shows the same numbers",
  ignore,
  fn() {
    using fs = openBtrfs();
    const { top, path } = fs;
    createSubvolume(top, "w");
    using w = top.openDirectory("w");
    w.chmod(0o777);
    enableQuota(top, "full");
    waitForQuotaRescan(top);
    assertEquals(quotaStatus(top), { mode: "full", inconsistent: false });
    const { id } = subvolumeInfo(w);
    limitQgroup(top, id, 20 * MIB);
    assertEquals(writeAsTenant(`${path}/w/small`, 8), "written");
    assertEquals(writeAsTenant(`${path}/w/large`, 30), "quota");
    syncBtrfs(top);
    const usage = qgroupUsages(top).get(id)!;
    const shown = btrfs("qgroup", "show", "--raw", "-r", path).split("\n")
      .find((line) => line.startsWith(`0/${id} `))!.trim().split(/\s+/);
    assertEquals(shown.slice(1, 4), [
      `${usage.referenced}`,
      `${usage.exclusive}`,
      `${usage.maxReferenced}`,
    ]);
  },
});

Deno.test("a file system that is no btrfs says so", () => {
  using folder = openFolder();
  if (isBtrfs(folder.dir)) return;
  assertThrows(() => createSubvolume(folder.dir, "a"), SystemError, "ENOTTY");
  assertThrows(
    () => subvolumeInfo(folder.dir),
    SystemError,
    "the file system does not support that",
  );
  assert(!isSubvolumeTop(folder.dir.stat()));
});

Deno.test({
  name: "a deleted subvolume that somebody has open is told as one whose space is not free",
  ignore,
  fn() {
    using fs = openBtrfs();
    const { top } = fs;
    createSubvolume(top, "gone");
    using gone = top.openDirectory("gone");
    const { id } = subvolumeInfo(gone);
    assertEquals(deletedSubvolumes(top), []);
    destroySubvolume(top, "gone");
    assertEquals(deletedSubvolumes(top), [id]);
  },
});
