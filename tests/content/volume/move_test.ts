import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { btrfs, canMountBtrfs, mountBtrfs } from "../../fixtures/btrfs.ts";
import { startContent } from "../../fixtures/content.ts";
import {
  directory,
  fifo,
  file,
  hardlink,
  makeTree,
  readTree,
  sparse,
  symlink,
} from "../../fixtures/tree.ts";
import { ME } from "../fixture.ts";

const bytes = (path: string) => new TextEncoder().encode(path);

Deno.test({
  name: "entries are moved from one subvolume to another with all that they are",
  ignore: !canMountBtrfs(),
  async fn() {
    using fs = mountBtrfs();
    await using node = startContent(join(fs.path, "root"));
    const { content, areas } = node;
    assertEquals((await content.chooseVolume("auto")).kind, "btrfs");
    const [from, to] = [await content.create(ME), await content.create(ME)];
    const top = join(areas.staging, from.name);
    await makeTree(top, [
      ["d", directory({ mode: 0o700, mtime: 1_000_000_000_123_456_789n })],
      ["d/file", file("x".repeat(20_000), { mode: 0o640, mtime: 1_100_000_000_000_000_001n })],
      ["d/linked", hardlink("d/file")],
      ["d/sparse", sparse(10 << 20, [[1 << 20, "data"]])],
      ["d/link", symlink("nowhere")],
      ["d/fifo", fifo()],
      ["taken", file("theirs")],
      ["merged", directory()],
      ["merged/one", file("1")],
    ]);
    await makeTree(join(areas.staging, to.name), [
      ["taken", file("ours")],
      ["merged", directory()],
      ["merged/two", file("2")],
    ]);
    const before = (await readTree(top)).filter(({ path }) => /^d(\/|$)/.test(path));
    const moves = ["d", "taken", "merged", "absent"].map((path) => ({
      from: bytes(path),
      to: bytes(path),
    }));
    const results = await content.movePaths(
      { tree: from, folder: "" },
      { tree: to, folder: "" },
      moves,
      ME,
    );
    assertEquals(results, ["moved", "taken", "moved", "absent"]);
    const after = await readTree(join(areas.staging, to.name));
    assertEquals(after.filter(({ path }) => /^d(\/|$)/.test(path)), before);
    assertEquals(Deno.readTextFileSync(join(areas.staging, to.name, "taken")), "ours");
    const merged = [...Deno.readDirSync(join(areas.staging, to.name, "merged"))];
    assertEquals(merged.map(({ name }) => name).sort(), ["one", "two"]);
    assertEquals([...Deno.readDirSync(top)].map(({ name }) => name), ["taken"]);
    // A hole is no data, and what is copied shares its blocks.
    const used = btrfs("filesystem", "du", "-s", "--raw", join(areas.staging, to.name));
    assertEquals(Number(used.trim().split("\n").at(-1)!.trim().split(/\s+/)[0]) < 1 << 20, true);
    // Deep trees are emptied within their own subvolume.
    let path = join(areas.staging, to.name);
    for (let n = 0; n < 80; n++) Deno.mkdirSync(path = join(path, "deep"));
    await content.clear(to);
    assertEquals([...Deno.readDirSync(join(areas.staging, to.name))], []);
    for (const tree of [from, to]) await content.remove(tree);
  },
});
