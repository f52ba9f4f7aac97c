/** Extraction by a real content Worker, which may load libc and nothing else. */

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { joinBytes } from "../../src/archive/bytes.ts";
import type { ArchiveOptions } from "../../src/content/restore/restore_result.ts";
import type { Tree } from "../../src/content/tree.ts";
import { DaemonError } from "../../src/errors.ts";
import { archive, base256, entry, header } from "../archive/build.ts";
import { startContent, type TestContent } from "../fixtures/content.ts";
import { testFolder } from "../fixtures/folder.ts";

const hello = archive(entry({ name: "d/hello", mtime: 5 }, "world"));
const owner = { uid: Deno.uid()!, gid: Deno.gid()! };

/** A staging tree and an archive in the spool. */
async function prepare(test: TestContent, bytes: Uint8Array): Promise<Tree> {
  await Deno.writeFile(join(test.areas.spool, "archive"), bytes);
  return await test.content.create(owner);
}

async function refuses(
  test: TestContent,
  bytes: Uint8Array,
  options: ArchiveOptions,
  code: string,
): Promise<void> {
  const tree = await prepare(test, bytes);
  const error = await assertRejects(
    () => test.content.extract(tree, { area: "spool", path: "archive" }, options),
    DaemonError,
  );
  assertEquals(error.code, code, error.message);
}

Deno.test("Content extracts archives from the spool and from the store, whatever their compression", async () => {
  using folder = testFolder();
  await using test = startContent(folder.path);
  for (
    const [compression, bytes] of [
      ["none", hello],
      ["gzip", gzipSync(hello)],
      ["zstd", zstdCompressSync(hello)],
    ] as const
  ) {
    const tree = await prepare(test, bytes);
    const result = await test.content.extract(tree, { area: "spool", path: "archive" }, {
      compression,
    });
    assertEquals([result.files, result.contentBytes], [1, 5]);
    const extracted = join(test.areas.staging, tree.name, "d", "hello");
    assertEquals(await Deno.readTextFile(extracted), "world");
    assertEquals((await Deno.stat(extracted)).mtime, new Date(5000));
  }
  const tree = await test.content.create(owner);
  await Deno.mkdir(join(test.areas.blobs, "archives"));
  await Deno.writeFile(join(test.areas.blobs, "archives", "a.tar"), hello);
  const stored = { area: "blobs", path: "archives/a.tar" } as const;
  await test.content.extract(tree, stored, { compression: "none" });
  assertEquals(await test.content.usage(tree).then(({ bytes }) => bytes >= 5), true);
});

Deno.test("Content says what is wrong with an archive by the code of its error", async () => {
  using folder = testFolder();
  await using test = startContent(folder.path);
  const out = archive(entry({ name: "../out" }));
  await refuses(test, out, { compression: "none" }, "FAILED_PRECONDITION");
  await refuses(test, hello, { compression: "gzip" }, "FAILED_PRECONDITION");
  await refuses(test, hello, { compression: "none", limitBytes: 4 }, "RESOURCE_EXHAUSTED");
  const tree = await prepare(test, hello);
  const missing = await assertRejects(
    () => test.content.extract(tree, { area: "spool", path: "none" }, { compression: "none" }),
    DaemonError,
  );
  assertEquals(missing.code, "NOT_FOUND");
  await test.content.publish(tree, "published");
  const published = await assertRejects(
    () =>
      test.content.extract(
        { area: "workspaces", name: "published" },
        { area: "spool", path: "archive" },
        { compression: "none" },
      ),
    DaemonError,
  );
  assertEquals(published.code, "INVALID_ARGUMENT");
});

Deno.test("Content stops extracting when it is cancelled, also within a bomb", async () => {
  using folder = testFolder();
  await using test = startContent(folder.path);
  // A device's content is skipped: ten tebibytes of it, were it not for the signal.
  const device = zstdCompressSync(
    header({ name: "null", type: "3", size: base256(10n << 40n, 12) }),
  );
  const zeros = zstdCompressSync(new Uint8Array(64 << 20));
  const tree = await prepare(test, joinBytes(device, ...Array.from({ length: 500 }, () => zeros)));
  const controller = new AbortController();
  const extracting = test.content.extract(tree, { area: "spool", path: "archive" }, {
    compression: "zstd",
    signal: controller.signal,
  });
  controller.abort();
  const error = await assertRejects(() => extracting, DaemonError);
  assertEquals(error.code, "ABORTED");
  // The Worker is free again.
  const next = await prepare(test, hello);
  const done = await test.content.extract(next, { area: "spool", path: "archive" }, {
    compression: "none",
  });
  assertEquals(done.files, 1);
});
