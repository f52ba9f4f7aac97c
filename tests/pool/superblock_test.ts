import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { readSuperblock } from "../../src/pool/superblock.ts";
import { testFolder } from "../fixtures/folder.ts";
import { has, run } from "../fixtures/tools.ts";

const UUID = "01234567-89ab-cdef-0123-456789abcdef";
const GIB = 2 ** 30;

const ignore = !has("mkfs.btrfs");

Deno.test({
  name: `a superblock says what mkfs.btrfs was told${ignore ? " (ignored: no mkfs.btrfs)" : ""}`,
  ignore,
  async fn() {
    using folder = testFolder();
    const image = join(folder.path, "image");
    Deno.createSync(image).close();
    Deno.truncateSync(image, GIB);
    const label = "some label";
    await run(folder.path, "mkfs.btrfs", "--quiet", "--uuid", UUID, "--label", label, image);
    assertEquals(await readSuperblock(image), { uuid: UUID, label, totalBytes: GIB });
    // As it is between the steps of a growth.
    Deno.truncateSync(image, 2 * GIB);
    assertEquals((await readSuperblock(image))?.totalBytes, GIB);
  },
});

Deno.test("what is no btrfs, or ends before a superblock does, has none", async () => {
  using folder = testFolder();
  const image = join(folder.path, "image");
  for (const size of [0, 65_536, 65_536 + 4095, 65_536 + 4096, 1_000_000]) {
    Deno.writeFileSync(image, new Uint8Array(size));
    assertEquals(await readSuperblock(image), undefined, `${size} bytes`);
  }
  const cut = new Uint8Array(65_536 + 4095);
  cut.set(new TextEncoder().encode("_BHRfS_M"), 65_536 + 64);
  Deno.writeFileSync(image, cut);
  assertEquals(await readSuperblock(image), undefined);
});
