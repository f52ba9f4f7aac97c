import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { isRoot } from "../content/extract_fixture.ts";
import { run as runTool } from "../fixtures/tools.ts";
import { file } from "../fixtures/tree.ts";
import { StoreFixture } from "../snapshot/fixture.ts";
import { inProcess } from "./in_process.ts";

Deno.test("store import takes archives, folders, OCI layouts and archives of the store", async (t) => {
  await using fixture = await StoreFixture.open();
  const path = await fixture.publish("w", [["notes", file("content", { mode: 0o4755 })]]);
  if (isRoot) await Deno.chown(join(path, "notes"), 133332, 133333);
  await Deno.chmod(join(path, "notes"), 0o4755);
  const tar = join(fixture.root, "full.tar");
  await runTool(path, "tar", "-cf", tar, ".");
  const store = (...args: string[]) => inProcess("store", "--root", fixture.root, ...args);
  const importAs = (metaId: string, source: string, ...more: string[]) =>
    store("import", source, "--owner", "alice", "--meta-id", metaId, ...more);
  const content = async (metaId: string) =>
    (await store("cat", `wsdaemon:backup/alice/${metaId}`, "notes")).stdout;

  await t.step("an archive, and what it lost is said", async () => {
    const { code, stdout, stderr } = await importAs("tar", tar);
    assertEquals(code, 0, stderr);
    assertMatch(
      stdout,
      /^wsdaemon:backup\/alice\/tar@sha256:\S+ is \S+full\.tar \(1 file, 7 B\)\n/,
    );
    assertStringIncludes(
      stdout,
      "left out: 1 set-id; --trusted keeps what policy drops\n  set-id notes",
    );
    assertEquals(await content("tar"), "content");
  });

  await t.step("a folder, with other owners, trusted", async () => {
    const map = isRoot ? ["--map-ids", "133332:33333:1,133333:44444:1"] : [];
    const { code, stdout, stderr } = await importAs("folder", path, "--trusted", "--json", ...map);
    assertEquals(code, 0, stderr);
    assertEquals(stderr.includes("only root can keep their owners"), !isRoot);
    assertEquals(JSON.parse(stdout).omitted.counts, {});
    const url = "wsdaemon:backup/alice/folder";
    const { entries } = JSON.parse((await store("show", url, "--files", "notes", "--json")).stdout);
    const [{ mode, uid, gid }] = entries;
    assertEquals(mode, "4755");
    if (isRoot) assertEquals([uid, gid], [33333, 44444]);
  });

  await t.step("an image that was exported", async () => {
    const oci = join(fixture.root, "oci");
    await store("export", "wsdaemon:backup/alice/folder", "--oci", oci);
    assertEquals((await importAs("oci", `${oci}:latest`)).code, 0);
    assertEquals(await content("oci"), "content");
  });

  await t.step("mistakes are told before anything is unpacked", async () => {
    const xz = join(fixture.root, "full.tar.xz");
    await Deno.writeFile(xz, Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0));
    const refused = async (says: string, code: number, ...args: string[]) => {
      const outcome = await importAs("other", ...args as [string]);
      assertEquals([outcome.code, outcome.stdout], [code, ""], outcome.stderr);
      assertStringIncludes(outcome.stderr, says);
    };
    await refused("compressed by xz", 1, xz);
    await refused("There is no", 1, join(fixture.root, "nothing"));
    await refused("There is no archive b/full.tar@old", 1, "b/full.tar@old");
    await refused("the store that it is imported into would be", 1, fixture.root);
    const before = Deno.env.get("TMPDIR");
    try {
      Deno.env.set("TMPDIR", path);
      await refused("the temporary files of this command would be", 1, path);
    } finally {
      if (before === undefined) Deno.env.delete("TMPDIR");
      else Deno.env.set("TMPDIR", before);
    }
    await refused("an image of this store already", 1, "wsdaemon:backup/a@b/c");
    await refused("FROM:TO:COUNT", 2, tar, "--map-ids", "1:2");
    await refused("share no number", 2, tar, "--map-ids", "1:5:3,3:9:1");
    await refused("share no number", 2, tar, "--map-ids", "1:5:3,9:7:1");
    await refused("a size such as", 2, tar, "--limit", "much");
    const again = await importAs("tar", tar);
    assertEquals(again.code, 1);
    assertStringIncludes(again.stderr, "--add keeps it and makes the import the latest");
  });
});
