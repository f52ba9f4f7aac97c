import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { BUCKET, S3_KEYS, startS3 } from "../fixtures/s3rver.ts";
import { file } from "../fixtures/tree.ts";
import { BOB, StoreFixture } from "../snapshot/fixture.ts";
import { inProcess } from "./in_process.ts";

Deno.test("store copy moves identities between a folder, a bucket and a new folder", async (t) => {
  await using fixture = await StoreFixture.open();
  await using server = await startS3();
  await fixture.publish("w", [["notes", file("content")]]);
  const { url } = await fixture.backup("w");
  await fixture.backup("w", BOB);
  const storage = {
    ...{ kind: "s3", endpoint: server.endpoint, bucket: BUCKET, prefix: "moved" },
    ...{ forcePathStyle: true, ...S3_KEYS },
  };
  const bucket = join(fixture.root, "bucket.json");
  await Deno.writeTextFile(bucket, JSON.stringify({ root: fixture.root, storage }));
  const empty = join(fixture.root, "empty");
  await Deno.mkdir(empty);
  const run = (...args: string[]) => inProcess("store", "--root", fixture.root, "copy", ...args);

  await t.step("into a bucket, what was named", async () => {
    const { code, stdout, stderr } = await run("--to", bucket, "alice/notes");
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^1 image of 1 identity copied \(\d blobs, .*\), 0 there already\n$/);
  });

  await t.step("from the bucket into an empty folder, and again", async () => {
    const { code, stdout } = await run("--from", bucket, "--to", empty, "--json");
    assertEquals([code, JSON.parse(stdout).copied], [0, [url]]);
    const again = await run("--from", bucket, "--to", empty);
    assertStringIncludes(again.stdout, "0 images of 1 identity copied (0 blobs, 0 B), 1 there");
    const config = join(fixture.root, "moved.json");
    await Deno.writeTextFile(config, JSON.stringify({ storage: { kind: "fs", path: empty } }));
    const store = (...args: string[]) => inProcess("store", "--config", config, ...args);
    assertEquals((await store("cat", url, "notes")).stdout, "content");
    assertMatch((await store("verify")).stdout, /every digest is right\n$/);
  });

  await t.step("mistakes are told before anything is copied", async () => {
    const refused = async (says: string, code: number, ...args: string[]) => {
      const outcome = await run(...args);
      assertEquals([outcome.code, outcome.stdout], [code, ""], outcome.stderr);
      assertStringIncludes(outcome.stderr, says);
    };
    await refused("one and the same store", 1, "--to", fixture.root);
    await refused("There is no store in", 1, "--to", join(fixture.root, "tmp"));
    await refused("There is no", 1, "--to", join(fixture.root, "nothing"));
    await refused("There is no store in", 1, "--from", join(fixture.root, "bases"), "--to", bucket);
    await refused("carol/x", 1, "--to", bucket, "carol/x");
    await refused("Expected OWNER/META_ID", 2, "--to", bucket, "a/b/c");
    await refused("--to", 2);
  });
});
