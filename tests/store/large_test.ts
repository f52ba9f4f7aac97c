/**
 * A daemon's memory while 5 GiB in dozens of layers go up to S3 and down again. Takes minutes, and 15 GiB
 * of disk: for a soak. That less than a blob has is enough for a store shows in `confined_test.ts`.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { createHash } from "node:crypto";
import { fromBackup, request, TestNode } from "../e2e/node.ts";
import { testFolder } from "../fixtures/folder.ts";
import { Resident } from "../fixtures/resident.ts";
import { BUCKET, S3_KEYS, startS3 } from "../fixtures/s3rver.ts";
import { runs } from "../fixtures/soak.ts";

const MIB = 1 << 20;
const isSoak = runs(0, 1) > 0;
const FILE_MIB = 64;
const FILES = 80;
/** What may come on top of what the daemon has after a small backup and restore. */
const MOST_MIB = { up: 150, down: 200 };

/** Writes files that do not compress, no mebibyte of them like another. @returns their digests */
async function fill(folder: string): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  const block = new Uint8Array(MIB);
  for (let at = 0; at < MIB; at += 65536) crypto.getRandomValues(block.subarray(at, at + 65536));
  const numbers = new DataView(block.buffer);
  for (let n = 0; n < FILES; n++) {
    const hash = createHash("sha256");
    using file = await Deno.open(join(folder, `${n}`), { write: true, createNew: true });
    for (let m = 0; m < FILE_MIB; m++) {
      for (let at = 0; at < MIB; at += 4096) numbers.setUint32(at, Math.random() * 2 ** 32);
      hash.update(block);
      for (let done = 0; done < MIB;) done += await file.write(block.subarray(done));
    }
    digests.set(`${n}`, hash.digest("hex"));
  }
  return digests;
}

async function digestsOf(folder: string): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  for (let n = 0; n < FILES; n++) {
    const hash = createHash("sha256");
    using file = await Deno.open(join(folder, `${n}`));
    const block = new Uint8Array(MIB);
    for (let read = await file.read(block); read !== null; read = await file.read(block)) {
      hash.update(block.subarray(0, read));
    }
    digests.set(`${n}`, hash.digest("hex"));
  }
  return digests;
}

Deno.test({
  name: `${FILES * FILE_MIB} MiB go up to S3 and down again in bounded memory` +
    (isSoak ? "" : " (not tested: for a soak)"),
  ignore: !isSoak,
  fn: async () => {
    using folder = testFolder();
    await using server = await startS3();
    const { endpoint } = server;
    const storage = { kind: "s3", endpoint, region: "r", bucket: BUCKET, forcePathStyle: true };
    await using node = await TestNode.start(folder.path, "node", {
      config: { storage: { ...storage, ...S3_KEYS } },
    });
    const { client } = node;
    // A first time, so that all code is loaded: that is no memory of what goes up.
    await client.initWorkspace(request("w"));
    await Deno.writeTextFile(join(node.workspace("w"), "small"), "small");
    await client.disposeWorkspace({ id: "w", backup: true });
    await client.initWorkspace(fromBackup("w"));

    const resident = new Resident(node.daemon.pid);
    const idle = resident.now();
    const grown = async (work: () => Promise<unknown>) => {
      resident.forgetPeak();
      await work();
      return Math.ceil((resident.peak() - idle) / MIB);
    };
    const digests = await fill(node.workspace("w"));
    const up = await grown(() => client.disposeWorkspace({ id: "w", backup: true }));
    const down = await grown(() => client.initWorkspace(fromBackup("w")));
    assertEquals(await digestsOf(node.workspace("w")), digests);
    // deno-lint-ignore no-console -- the figures are what one runs a soak for
    console.log(`idle ${Math.ceil(idle / MIB)} MiB, up +${up} MiB, down +${down} MiB`);
    assert(up <= MOST_MIB.up && down <= MOST_MIB.down, `up +${up} MiB, down +${down} MiB`);
  },
});
