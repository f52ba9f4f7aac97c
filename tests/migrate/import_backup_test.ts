import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import { DaemonError } from "../../src/errors.ts";
import {
  importBackup,
  type ImportedBackup,
  type ImportOptions,
  type ImportSource,
} from "../../src/migrate/import_backup.ts";
import { imageHistory } from "../../src/inspect/image_history.ts";
import { archive, entry, pax } from "../archive/build.ts";
import { isRoot, ROOT_ONLY } from "../content/extract_fixture.ts";
import { captureLogs } from "../fixtures/logs.ts";
import { has, run } from "../fixtures/tools.ts";
import { directory, file, hardlink, readTree, socket, symlink } from "../fixtures/tree.ts";
import { ALICE, StoreFixture } from "../snapshot/fixture.ts";

/** That a program may open raw sockets (`cap_net_raw+ep`), as the kernel keeps it. */
const CAPABILITY = Uint8Array.of(1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

/** Imports into a fixture's store. */
function importTo(fixture: StoreFixture, source: ImportSource, more: Partial<ImportOptions> = {}) {
  return importBackup(source, {
    startContent: () => Promise.resolve(fixture.started.content),
    store: fixture.store,
    clock: systemClock,
    identity: ALICE,
    name: "the source",
    owner: { uid: Deno.uid()!, gid: Deno.gid()! },
    trusted: false,
    limitBytes: 2 ** 30,
    addToOthers: false,
    ...more,
  });
}

/** Puts an archive where content Workers can read it. */
async function put(fixture: StoreFixture, bytes: Uint8Array): Promise<ImportSource> {
  const path = join("archives", crypto.randomUUID());
  await Deno.writeFile(join(fixture.started.areas.blobs, path), bytes);
  return { kind: "archive", file: { area: "blobs", path } };
}

/** Restores a backup. @returns its folder */
async function restored(fixture: StoreFixture, url: string): Promise<string> {
  const { content, areas } = fixture.started;
  const tree = await content.create({ uid: Deno.uid()!, gid: Deno.gid()! });
  await fixture.images.restoreSnapshot(tree, url, {});
  return join(areas.staging, tree.name);
}

Deno.test("what GNU tar has packed comes back from the backup that an import makes of it", async () => {
  await using fixture = await StoreFixture.open();
  const path = await fixture.publish("w", [
    ["src", directory({ mode: 0o750 })],
    ["src/main.ts", file("export {};\n", { mode: 0o640 })],
    ["src/again.ts", hardlink("src/main.ts")],
    ["link", symlink("/etc/passwd")],
    ["näme", file("x".repeat(100_000))],
  ]);
  let last!: ImportedBackup;
  const ways = [["-c"], ["-cz"], ...(has("zstd") ? [["--zstd", "-c"]] : [])];
  for (const flags of ways) {
    const bytes = await run(path, "tar", ...flags, "--format=posix", ".");
    const source = await put(fixture, bytes);
    last = await importTo(fixture, source, { addToOthers: true });
    assertEquals([last.files, last.omitted.counts], [3, {}]);
    assertEquals(await readTree(await restored(fixture, last.url)), await readTree(path));
  }
  const history = await imageHistory(fixture.store, { ...last, kind: "backup" });
  assertEquals(new Set(history.map(({ lineage }) => lineage?.id)).size, ways.length);
  assert(history.every(({ isHead }) => isHead), "each is of a lineage of its own");
});

Deno.test("a folder is imported as it is, without changing it, and its sockets are counted", async () => {
  await using fixture = await StoreFixture.open();
  const path = await fixture.publish("w", [
    ["src", directory()],
    ["src/main.ts", file("export {};\n")],
    ["src/again.ts", hardlink("src/main.ts")],
    ["big", file("y".repeat(3_000_000))],
    ["s", socket()],
  ]);
  const before = await readTree(path);
  const source = { kind: "folder", tree: { area: "workspaces", name: "w" } } as const;
  const { url, skippedSockets, omitted } = await importTo(fixture, source);
  assertEquals([skippedSockets, omitted.counts], [1, {}]);
  assertEquals(await readTree(path), before);
  const expected = before.filter(({ path }) => path !== "s");
  assertEquals(await readTree(await restored(fixture, url)), expected);
  const { staging, spool, baselines } = fixture.started.areas;
  assertEquals([...Deno.readDirSync(spool)], []);
  const committed = [...Deno.readDirSync(baselines)].filter(({ name }) => !name.startsWith("."));
  assertEquals(committed.map(({ name }) => name), ["import"]);
  assertEquals([...Deno.readDirSync(staging)].length, 1, "what was restored to compare");
});

Deno.test("an identity that has a backup is refused before and after the work; added, both stay", async () => {
  await using fixture = await StoreFixture.open();
  const source = await put(fixture, archive(entry({ name: "a" }, "a")));
  await fixture.publish("w", [["own", file("own")]]);
  const own = await fixture.backup("w");
  const refused = () => assertRejects(() => importTo(fixture, source), DaemonError, own.url);
  assertEquals((await refused()).code, "ALREADY_EXISTS");

  const path = join(fixture.started.areas.blobs, "refs/backups/alice/notes.json");
  const reference = await Deno.readFile(path);
  await fixture.store.deleteRef("refs/backups/alice/notes.json");
  // A workspace's own backup is quicker than the archive.
  const onStep = (doing: string) => {
    if (doing !== "packing") return;
    Deno.mkdirSync(dirname(path), { recursive: true });
    Deno.writeFileSync(path, reference);
  };
  const overtaken = await assertRejects(
    () => importTo(fixture, source, { onStep }),
    DaemonError,
    own.url,
  );
  assertEquals(overtaken.code, "ALREADY_EXISTS");
  assertEquals(await Deno.readFile(path), reference);

  const { url } = await importTo(fixture, source, { addToOthers: true });
  const kind = "backup" as const;
  const history = await imageHistory(fixture.store, { ...own, kind });
  assertEquals(history.map((one) => [one.url, one.isHead]), [[url, true], [own.url, true]]);
});

Deno.test("a hostile archive is refused by its entry, and leaves neither a backup nor a tree", async () => {
  await using fixture = await StoreFixture.open();
  const hostile = {
    '"../f"': archive(entry({ name: "../f" }, "x")),
    '"l/f"': archive(entry({ name: "l", type: "2", link: "/tmp" }), entry({ name: "l/f" }, "x")),
    '"h"': archive(entry({ name: "h", type: "1", link: "../../etc/passwd" })),
  };
  for (const [name, bytes] of Object.entries(hostile)) {
    for (const trusted of [false, true]) {
      const source = await put(fixture, bytes);
      const error = await assertRejects(
        () => importTo(fixture, source, { trusted }),
        DaemonError,
        name,
      );
      assertEquals(error.code, "FAILED_PRECONDITION");
    }
  }
  const bomb = await put(fixture, archive(entry({ name: "bomb" }, "\0".repeat(200_000))));
  const error = await assertRejects(
    () => importTo(fixture, bomb, { limitBytes: 100_000 }),
    DaemonError,
  );
  assertEquals(error.code, "RESOURCE_EXHAUSTED");
  // The last of two entries with one name counts, as with tar.
  const twice = archive(entry({ name: "f" }, "one"), entry({ name: "f" }, "two"));
  const { url } = await importTo(fixture, await put(fixture, twice));
  assertEquals(await Deno.readTextFile(join(await restored(fixture, url), "f")), "two");
  assertEquals([...Deno.readDirSync(fixture.started.areas.trash)], []);
});

Deno.test("what an archive loses by policy is counted, named and logged", async () => {
  await using fixture = await StoreFixture.open();
  const bytes = archive(
    entry({ name: "su", mode: 0o4755 }, "x"),
    entry({ name: "null", type: "3", major: 1, minor: 3 }),
    pax({ "SCHILY.xattr.trusted.x": "y" }),
    entry({ name: "marked" }, "x"),
  );
  using logs = captureLogs();
  const { omitted } = await importTo(fixture, await put(fixture, bytes));
  assertEquals(omitted.counts, { "set-id": 1, device: 1, xattr: 1 });
  assertEquals(omitted.examples, ["set-id su", "device null", "xattr marked"]);
  assertStringIncludes(logs.text, "1 set-id, 1 device, 1 xattr");
});

Deno.test({
  name: `a trusted archive keeps set-id bits, devices and privileged attributes${ROOT_ONLY}`,
  ignore: !isRoot,
  async fn() {
    await using fixture = await StoreFixture.open();
    const bytes = archive(
      entry({ name: "su", mode: 0o6755 }, "x"),
      entry({ name: "null", type: "3", major: 1, minor: 3, mode: 0o666 }),
      pax({ "SCHILY.xattr.security.capability": CAPABILITY }),
      entry({ name: "marked" }, "x"),
    );
    const { url, omitted } = await importTo(fixture, await put(fixture, bytes), { trusted: true });
    const path = await restored(fixture, url);
    assertEquals(Deno.lstatSync(join(path, "su")).mode! & 0o7777, 0o6755);
    // A container may not let even root make devices, or set capabilities.
    const { device = 0, xattr = 0 } = omitted.counts;
    if (device === 0) assert(Deno.lstatSync(join(path, "null")).isCharDevice);
    const { xattrs } = (await readTree(path)).find(({ path }) => path === "marked")!;
    if (xattr === 0) assertEquals(xattrs, { "security.capability": CAPABILITY.toHex() });
    assertEquals(omitted.counts["set-id"], undefined);
  },
});
