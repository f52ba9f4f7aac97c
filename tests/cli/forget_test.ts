import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ALICE, BOB, StoreFixture } from "../snapshot/fixture.ts";
import { file } from "../fixtures/tree.ts";
import { inProcess } from "./in_process.ts";

Deno.test("store forget shows what a policy keeps and why, and forgets the rest", async () => {
  await using fixture = await StoreFixture.open({ retain: 9 });
  await fixture.publish("w", [["todo", file("one\n")]]);
  const urls: string[] = [];
  for (const text of ["one", "two", "three"]) {
    await Deno.writeTextFile(`${fixture.pathOf("w")}/todo`, text);
    urls.push((await fixture.backup("w", ALICE)).url);
  }
  await fixture.backup("w", BOB);
  const forget = (...args: string[]) =>
    inProcess("store", "--root", fixture.root, "forget", ...args);

  const trial = await forget("--dry-run", "--owner", "alice", "--keep-last", "2");
  assertEquals([trial.code, trial.stderr], [0, ""]);
  const rows = trial.stdout.trimEnd().split("\n");
  assertMatch(rows[0]!, /^ +KIND +OWNER +META_ID +CREATED +WHY +URL$/);
  assertEquals(rows.slice(1, 4).map((row) => row.trim().split(/ +/)[0]), [
    "keep",
    "keep",
    "forget",
  ]);
  assertStringIncludes(rows[3]!, urls[0]!);
  assertEquals(rows[4], "2 kept, 1 would be forgotten");

  // Uses are noted every few hours: to a shorter time what is used could look unused.
  const brief = await forget("--snapshot-ttl", "23h", "--force");
  assertEquals(brief.code, 2);
  assertStringIncludes(brief.stderr, 'a duration of at least 1d such as "90d"');

  const empty = await forget("--keep-last", "0");
  assertEquals(empty.code, 1);
  assertStringIncludes(empty.stderr, "keeps no backup at all");

  const done = await forget("--json", "--owner", "alice", "--keep-daily", "1");
  const { images } = JSON.parse(done.stdout);
  const kept = images.filter((image: { kept: boolean }) => image.kept);
  assertEquals(kept.map((image: { url: string }) => image.url), [urls[2]]);
  assertEquals(kept[0].reasons, ["daily"]);
  const { stdout } = await inProcess("store", "--root", fixture.root, "ls", "--json");
  assertEquals(JSON.parse(stdout).length, 2, "the other owner's stays");

  const all = await forget("--keep-last", "0", "--force");
  assertEquals([all.code, all.stderr], [0, ""], all.stderr);
  const after = await inProcess("store", "--root", fixture.root, "ls", "--json");
  assertEquals(JSON.parse(after.stdout), []);
});
