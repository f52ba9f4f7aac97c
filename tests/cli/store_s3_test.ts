import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { sha256Digest } from "../../src/digest.ts";
import { readImage } from "../../src/snapshot/images.ts";
import { blobKey } from "../../src/store/keys.ts";
import { openStore } from "../../src/store/open.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { StoreRig } from "../snapshot/rig.ts";
import { BUCKET, S3_KEYS, startS3 } from "../support/s3rver.ts";
import { file } from "../support/tree.ts";
import { inProcess } from "./in_process.ts";
import { wsdaemon } from "./support.ts";

Deno.test("a store on S3 is looked into by its config, and downloads leave nothing behind", async (t) => {
  await using rig = await StoreRig.open();
  await using server = await startS3();
  await rig.publish("w", [["file", file("content")]]);
  const { url, manifest } = await rig.snapshot("w");
  const storage = {
    kind: "s3" as const,
    endpoint: server.endpoint,
    region: "us-east-1",
    bucket: BUCKET,
    forcePathStyle: true,
    ...S3_KEYS,
  };
  const config = join(rig.root, "config.json");
  await Deno.writeTextFile(config, JSON.stringify({ root: rig.root, storage }));
  const bucket = await openStore(storage, {
    spoolDir: rig.started.rooms.spool,
    metrics: new Metrics(),
  });
  for (const hex of rig.blobs()) {
    const digest = sha256Digest(hex);
    await bucket.putBlobBytes(digest, await Deno.readFile(rig.blobPath(digest)));
  }
  for await (const { key } of rig.store.list("refs/")) {
    await bucket.putRef(key, await rig.store.getRef(key));
  }

  await t.step("cat", async () => {
    const temporary = join(rig.root, "temporary");
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
    const oci = join(rig.root, "oci");
    await run("export", url, "--oci", oci);
    assertEquals(
      [...Deno.readDirSync(join(oci, "blobs/sha256"))].map(({ name }) => name).toSorted(),
      rig.blobs(),
    );
  });

  await t.step("a lost layer", async () => {
    const { digest } = (await readImage(rig.store, manifest)).layers[0]!;
    await bucket.deleteBlob(digest);
    const { code, stdout } = await inProcess("store", "--config", config, "verify", "--json");
    assertEquals(code, 1, blobKey(digest));
    const { damage } = JSON.parse(stdout);
    assertEquals([damage[0].what, damage[0].images], [digest, [url]]);
  });
  await bucket.close();
});
