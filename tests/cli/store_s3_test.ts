import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { sha256Digest } from "../../src/digest.ts";
import { readImage } from "../../src/snapshot/read_image.ts";
import { blobKey } from "../../src/store/keys.ts";
import { openStore } from "../../src/store/kinds.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { StoreFixture } from "../snapshot/fixture.ts";
import { BUCKET, S3_KEYS, startS3 } from "../fixtures/s3rver.ts";
import { file } from "../fixtures/tree.ts";
import { inProcess } from "./in_process.ts";
import { wsdaemon } from "./fixture.ts";

Deno.test("a store on S3 is looked into by its config, and downloads leave nothing behind", async (t) => {
  await using fixture = await StoreFixture.open();
  await using server = await startS3();
  await fixture.publish("w", [["file", file("content")]]);
  const { url, manifest } = await fixture.snapshot("w");
  const storage = {
    kind: "s3" as const,
    endpoint: server.endpoint,
    region: "us-east-1",
    bucket: BUCKET,
    forcePathStyle: true,
    archiveBuckets: [],
    ...S3_KEYS,
  };
  const config = join(fixture.root, "config.json");
  await Deno.writeTextFile(config, JSON.stringify({ root: fixture.root, storage }));
  const bucket = await openStore(storage, {
    spoolDir: fixture.started.areas.spool,
    metrics: new Metrics(),
  });
  for (const hex of fixture.blobs()) {
    const digest = sha256Digest(hex);
    await bucket.putBlobBytes(digest, await Deno.readFile(fixture.blobPath(digest)));
  }
  for await (const { key } of fixture.store.list("refs/")) {
    await bucket.putRef(key, await fixture.store.getRef(key));
  }

  await t.step("cat", async () => {
    const temporary = join(fixture.root, "temporary");
    await Deno.mkdir(temporary);
    const { code, stdout, stderr } = await wsdaemon(
      ["store", "--config", config, "cat", url, "file"],
      { env: { TMPDIR: temporary } },
    );
    assertEquals([code, stdout, stderr], [0, "content", ""]);
    assertEquals([...Deno.readDirSync(temporary)], []);
  });

  await t.step("ls, verify and export", async () => {
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await inProcess("store", "--config", config, ...args);
      assertEquals([code, stderr], [0, ""]);
      return stdout;
    };
    assertStringIncludes(await run("ls"), url);
    assertMatch(await run("verify"), /^1 image, .*: every digest is right\n$/);
    const oci = join(fixture.root, "oci");
    await run("export", url, "--oci", oci);
    assertEquals(
      [...Deno.readDirSync(join(oci, "blobs/sha256"))].map(({ name }) => name).toSorted(),
      fixture.blobs(),
    );
  });

  await t.step("a lost layer", async () => {
    const { digest } = (await readImage(fixture.store, manifest)).layers[0]!;
    await bucket.deleteBlob(digest);
    const { code, stdout } = await inProcess("store", "--config", config, "verify", "--json");
    assertEquals(code, 1, blobKey(digest));
    const { damage } = JSON.parse(stdout);
    assertEquals([damage[0].what, damage[0].images], [digest, [url]]);
  });
  await bucket.close();
});
