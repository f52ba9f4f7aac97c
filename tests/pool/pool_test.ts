/** Pools on real loop devices: made and enlarged by the commands, mounted as the unit says. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { existsSync } from "@std/fs";
import { join } from "@std/path";
import { DaemonProcess } from "../../scripts/daemon_process.ts";
import { planGrowth } from "../../src/pool/mod.ts";
import { readSuperblock } from "../../src/pool/superblock.ts";
import { mountUnitName } from "../../src/pool/units.ts";
import { inProcess } from "../cli/in_process.ts";
import { canMountBtrfs } from "../fixtures/btrfs.ts";
import { testFolder } from "../fixtures/folder.ts";
import { mountUnit } from "../fixtures/mount.ts";

const ignore = !canMountBtrfs();
const GIB = 2 ** 30;

/** A folder for a pool, its root and its units; and the commands, with the flags that say so. */
function poolFixture() {
  const folder = testFolder();
  const at = (name: string) => join(folder.path, name);
  const [root, file, units] = [at("root"), at("root.img"), at("units")];
  Deno.mkdirSync(units);
  const pool = async (name: string, ...args: string[]) => {
    const flags = ["--root", root, "--units", units];
    const { code, stdout, stderr } = await inProcess("pool", name, ...flags, ...args);
    return { code, said: `${stderr}${stdout}` };
  };
  const unit = join(units, mountUnitName(root));
  return {
    folder,
    root,
    file,
    units,
    unit,
    pool,
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

Deno.test({
  name: "a pool is made, mounted by its unit, carries a daemon, and grows beneath it",
  ignore,
  async fn() {
    using fixture = poolFixture();
    const { folder, root, file, units, unit, pool } = fixture;
    const planned = await pool("create", "--size", "1GiB", "--dry-run");
    assertStringIncludes(planned.said, `would make ${file}, a btrfs of 1.0 GiB`);
    assertStringIncludes(planned.said, `would write ${unit}`);
    assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["units"]);
    assertEquals([...Deno.readDirSync(units)], []);

    const made = await pool("create", "--size", "1GiB");
    assertEquals(made.code, 0, made.said);
    assertStringIncludes(made.said, `made ${file}`);
    const { size, blocks, mode } = Deno.statSync(file);
    assertEquals([size, mode! & 0o7777], [GIB, 0o600]);
    assert(blocks! * 512 < GIB / 4, "it is not sparse");
    assertStringIncludes(
      Deno.readTextFileSync(join(units, "wsdaemon.service.d/pool.conf")),
      `CapabilityBoundingSet=CAP_SYS_ADMIN\nReadWritePaths=${root}\n`,
    );
    assertStringIncludes((await pool("create", "--size", "1GiB")).said, "is there already");
    assertMatch((await pool("grow", "--size", "2GiB")).said, /not mounted.*systemctl start/);

    Deno.mkdirSync(root);
    {
      using _mount = mountUnit(Deno.readTextFileSync(unit));
      await using daemon = await DaemonProcess.start({
        args: ["--root", root, "--metrics-listen", "off"],
        env: { WSDAEMON_QUOTA_DRIVER: "btrfs" },
      });
      assertStringIncludes(daemon.log, "Workspaces are subvolumes of btrfs");
      const again = await pool("create", "--size", "1GiB");
      assertStringIncludes(again.said, "All of it is there already");
      const smaller = await pool("grow", "--size", "1023MiB");
      assertMatch(smaller.said, /too small/);

      const growth = await pool("grow", "--size", "3GiB", "--dry-run");
      assertEquals(growth.said.match(/^would grow /gm)?.length, 3, growth.said);
      const late = await planGrowth({ root, file, units }, 2 * GIB);
      const grown = await pool("grow", "--size", "3GiB");
      assertEquals(grown.said.match(/^grew /gm)?.length, 3, grown.said);
      assertStringIncludes((await pool("grow", "--size", "3GiB")).said, "is there already");
      assertMatch((await pool("grow", "--size", "2GiB")).said, /3\.0 GiB already.*not get smaller/);
      // Somebody else's, who began at the same time.
      for (const { act } of late.steps) await act();

      const status = JSON.parse((await pool("status", "--json")).said);
      assertEquals(status.fileBytes, 3 * GIB);
      assertEquals(status.superblock.totalBytes, 3 * GIB);
      assertEquals(status.mounted.device.bytes, 3 * GIB);
      assertEquals(status.mounted.space.size, 3 * GIB);
      assertEquals([status.place.file, status.units], [file, []]);
    }
    assertMatch((await pool("status")).said, /^mounted +no: systemctl/m);
    Deno.writeTextFileSync(join(root, "beneath"), "");
    assertMatch((await pool("create", "--size", "3GiB")).said, /not empty: it holds beneath/);
  },
});

Deno.test({
  name: "a growth that was cut short is completed, and a half-made image is made anew",
  ignore,
  async fn() {
    using fixture = poolFixture();
    const { folder, root, file, unit, pool } = fixture;
    Deno.writeTextFileSync(join(folder.path, ".root.img.wsdaemon-new"), "cut short");
    assertEquals((await pool("create", "--size", "1GiB")).code, 0);
    assertEquals([...Deno.readDirSync(folder.path)].length, 2);
    Deno.mkdirSync(root);
    using _mount = mountUnit(Deno.readTextFileSync(unit));
    Deno.truncateSync(file, 2 * GIB);
    assertMatch((await pool("status")).said, /^warning +the file system is smaller/m);
    const grown = await pool("grow", "--size", "2GiB");
    assertEquals(grown.said.match(/^grew /gm)?.length, 2, grown.said);
    assertEquals((await pool("status")).said.includes("warning"), false);
  },
});

Deno.test({
  name: "a pool that a killed run has made and that was moved away stays when another is made",
  ignore,
  async fn() {
    using fixture = poolFixture();
    const { folder, file, pool } = fixture;
    assertEquals((await pool("create", "--size", "1GiB")).code, 0);
    // As if it had been killed before it removed the image's first name.
    const temporary = join(folder.path, ".root.img.wsdaemon-new");
    Deno.linkSync(file, temporary);
    const moved = join(folder.path, "moved.img");
    Deno.renameSync(file, moved);
    const before = await readSuperblock(moved);
    const made = await pool("create", "--size", "1GiB");
    assertEquals(made.code, 0, made.said);
    assertEquals(await readSuperblock(moved), before);
    assertNotEquals((await readSuperblock(file))?.uuid, before?.uuid);
    assertEquals(existsSync(temporary), false);
  },
});

Deno.test({
  name: "a pool is not made over what others have made, nor where it is of no use",
  ignore,
  async fn() {
    using fixture = poolFixture();
    const { folder, root, file, units, unit, pool } = fixture;
    const create = async (...args: string[]) => {
      const { code, said } = await pool("create", "--size", "1GiB", ...args);
      assertEquals(code, 1, said);
      return said;
    };
    assertMatch((await pool("create", "--size", "1000MiB")).said, /too small.*1\.0 GiB/);
    Deno.writeTextFileSync(unit, "[Mount]\n");
    assertStringIncludes(await create(), `${unit} is there already and was written by somebody`);
    assertEquals(Deno.readTextFileSync(unit), "[Mount]\n");
    Deno.removeSync(unit);

    // One of an earlier version is replaced.
    assertEquals((await pool("create", "--size", "1GiB")).code, 0);
    const text = Deno.readTextFileSync(unit);
    Deno.writeTextFileSync(unit, text.replace("noatime", "relatime"));
    assertStringIncludes((await pool("create", "--size", "1GiB")).said, `wrote ${unit}`);
    assertEquals(Deno.readTextFileSync(unit), text);

    Deno.mkdirSync(root);
    using _mount = mountUnit(text);
    const other = ["--file", join(folder.path, "other.img")];
    assertStringIncludes(await create(...other), "is on a btrfs already");
    const within = await inProcess(
      ...["pool", "create", "--size", "1GiB", "--units", units, "--root", join(root, "node")],
    );
    assertStringIncludes(within.stderr, "is on a btrfs already");
    const [program, ...args] = ["mkfs.btrfs", "--quiet", "--force", "--label", "mine"];
    Deno.createSync(other[1]!).close();
    Deno.truncateSync(other[1]!, GIB);
    assert(new Deno.Command(program!, { args: [...args, other[1]!] }).outputSync().success);
    assertStringIncludes(await create(...other), "a btrfs of somebody else's");
    assertStringIncludes((await pool("create", "--size", "2GiB")).said, "pool grow");
    assertEquals(Deno.statSync(file).size, GIB);

    const huge = await inProcess(
      ...["pool", "create", "--size", "15TiB", "--dry-run", "--units", units],
      ...["--root", join(folder.path, "huge")],
    );
    assertMatch(huge.stderr, /^warning: the pool may come to take 15\.0 TiB more/m);
  },
});
