import { assertEquals, assertThrows } from "@std/assert";
import { digestOf, hexOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { blobKey, blobOfKey, checkArchiveName, checkKey, KEY_ROOTS } from "../../src/store/keys.ts";

const digest = digestOf("content");

Deno.test("a blob's key is OCI's, and names the blob again", () => {
  assertEquals(blobKey(digest), `blobs/sha256/${hexOf(digest)}`);
  assertEquals(blobOfKey(blobKey(digest)), digest);
});

Deno.test("what is beside the blobs is none", () => {
  const hex = hexOf(digest);
  for (
    const key of [
      `blobs/sha256/${hex.toUpperCase()}`,
      `blobs/sha256/${hex}0`,
      `blobs/sha256/${hex.slice(1)}`,
      `blobs/sha256/${hex}/x`,
      `blobs/sha512/${hex}`,
      `refs/${hex}`,
      "blobs/sha256/",
    ]
  ) {
    assertEquals(blobOfKey(key), undefined, key);
  }
});

Deno.test("only plain paths below the store's folders are keys", () => {
  for (const key of ["refs/backups/a.json", blobKey(digest), "gc/lease.json", "objects/a/b/c"]) {
    checkKey(key, KEY_ROOTS);
  }
  for (
    const key of [
      "",
      "refs",
      "refs/",
      "/refs/a",
      "refs//a",
      "refs/./a",
      "refs/../state/state.db",
      "../refs/a",
      "tmp/a",
      "archives/a/b",
      "refs/a\\b",
      "refs/a\0",
    ]
  ) {
    const error = assertThrows(() => checkKey(key, KEY_ROOTS), DaemonError);
    assertEquals(error.code, "INTERNAL", key);
  }
});

Deno.test("an archive's name is an object of plain segments in one bucket", () => {
  checkArchiveName("a/b.tar.gz", "bucket");
  for (
    const [object, bucket] of [
      ["a", ""],
      ["", "b"],
      ["a", "b/c"],
      ["a", ".."],
      ["../a", "b"],
      ["a//b", "b"],
      ["/a", "b"],
      ["a\\b", "b"],
    ] as const
  ) {
    const error = assertThrows(() => checkArchiveName(object, bucket), DaemonError);
    assertEquals(error.code, "INVALID_ARGUMENT", `${object}@${bucket}`);
  }
});
