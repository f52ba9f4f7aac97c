import { assertEquals, assertThrows } from "@std/assert";
import { DIRECTORY_BYTES, fileBytes } from "../../src/content/disk_usage.ts";
import { DaemonError } from "../../src/errors.ts";
import { DownloadAllowance } from "../../src/initializer/download_allowance.ts";

const BLOCK = 4096;

Deno.test("a download without a quota has no limit, whatever was fetched", () => {
  const allowance = new DownloadAllowance(undefined);
  assertEquals(allowance.forFile("a/b/c"), undefined);
  allowance.use(2 ** 50);
  assertEquals(allowance.forFile("d"), undefined);
});

Deno.test("a file may take what is left, in whole blocks", () => {
  assertEquals(new DownloadAllowance(fileBytes(3 * BLOCK)).forFile("a"), 3 * BLOCK);
  assertEquals(new DownloadAllowance(fileBytes(3 * BLOCK) - 1).forFile("a"), 2 * BLOCK);
});

Deno.test("each folder on the way is counted once, by which a file has a block less", () => {
  const allowance = new DownloadAllowance(fileBytes(BLOCK) + 3 * DIRECTORY_BYTES);
  assertEquals(allowance.forFile("a/b/first"), 2 * BLOCK);
  assertEquals(allowance.forFile("a/b/second"), 2 * BLOCK);
  assertEquals(allowance.forFile("a/c/third"), BLOCK);
});

Deno.test("fetched files are taken off; where not even an empty one fits, the quota is exhausted", () => {
  const allowance = new DownloadAllowance(fileBytes(BLOCK) + fileBytes(0));
  assertEquals(allowance.forFile("a"), BLOCK);
  allowance.use(1);
  assertEquals(allowance.forFile("b"), 0);
  allowance.use(0);
  const error = assertThrows(() => allowance.forFile("c"), DaemonError);
  assertEquals(error.code, "RESOURCE_EXHAUSTED");
});

Deno.test("a quota that the folders alone exceed is exhausted", () => {
  const allowance = new DownloadAllowance(DIRECTORY_BYTES + fileBytes(0));
  assertThrows(() => allowance.forFile("a/b/c"), DaemonError, "quota");
});
