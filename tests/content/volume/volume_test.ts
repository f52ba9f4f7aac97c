import { plainVolume } from "../../../src/content/volume/plain_volume.ts";
import { openBtrfsVolume } from "../../../src/content/volume/btrfs_volume.ts";
import { Directory, enableQuota, openLibc, waitForQuotaRescan } from "../../../src/linux/mod.ts";
import { libcPath } from "../../../src/process/libc.ts";
import { canMountBtrfs, mountBtrfs } from "../../fixtures/btrfs.ts";
import { testFolder } from "../../fixtures/folder.ts";
import { canMount, loopFileSystem } from "../../fixtures/mount.ts";
import { findProgram } from "../../../src/process/find_program.ts";
import { testVolume, type VolumeFixture } from "./conformance.ts";

function openPlain(program: "mkfs.ext4" | "mkfs.xfs", bytes: number): VolumeFixture {
  const folder = testFolder();
  const path = `${folder.path}/mount`;
  Deno.mkdirSync(path);
  const mount = loopFileSystem(path, [program, "-q"], bytes);
  return {
    path,
    volume: plainVolume,
    [Symbol.dispose]() {
      mount[Symbol.dispose]();
      folder[Symbol.dispose]();
    },
  };
}

function openBtrfs(quota?: "simple" | "full"): VolumeFixture {
  openLibc(libcPath());
  const mount = mountBtrfs();
  using top = Directory.open(mount.path, "top");
  if (quota) enableQuota(top, quota);
  if (quota === "full") waitForQuotaRescan(top);
  return { ...mount, volume: openBtrfsVolume(top) };
}

const noMount = !canMount();
const noBtrfs = !canMountBtrfs();

testVolume("plain on ext4", {
  ignore: noMount,
  open: () => openPlain("mkfs.ext4", 64 << 20),
  features: {},
});
testVolume("plain on XFS", {
  ignore: noMount || findProgram("mkfs.xfs", Deno.env.get("PATH") ?? "") === undefined,
  open: () => openPlain("mkfs.xfs", 512 << 20),
  features: {},
});
testVolume("btrfs", { ignore: noBtrfs, open: () => openBtrfs(), features: { snapshots: true } });
for (const quota of ["simple", "full"] as const) {
  testVolume(`btrfs with ${quota} quotas`, {
    ignore: noBtrfs,
    open: () => openBtrfs(quota),
    features: { snapshots: true, limits: true },
  });
}
