import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import { currentOperation, OperationRegistry } from "../../src/operations/mod.ts";
import { ImageFixture } from "./image_fixture.ts";

const FILES = 300;
const LARGE = 17 << 20;
const TOTAL = LARGE + FILES * 1000;

Deno.test("packing and restoring count files and bytes for the operation that they are part of", async (t) => {
  await using fixture = new ImageFixture();
  const operations = new OperationRegistry(systemClock);
  const path = await fixture.publish("w");
  Deno.writeFileSync(join(path, "large"), new Uint8Array(LARGE).fill(7));
  for (let n = 0; n < FILES; n++) Deno.writeTextFileSync(join(path, `f${n}`), "x".repeat(1000));
  const image = await operations.run({ kind: "backup" }, async ({ progress }) => {
    const image = await fixture.pack("w");
    const { files, bytes } = progress.read();
    assertEquals({ files, bytes }, { files: FILES + 1, bytes: TOTAL });
    return image;
  });
  for (const index of [true, false]) {
    await t.step(index ? "restored by its index" : "restored layer by layer", async () => {
      await operations.run({ kind: "restore" }, async ({ progress }) => {
        await fixture.restore(image, { index });
        const { files, bytes, filesTotal, bytesTotal } = progress.read();
        assertEquals({ files, bytes }, { files: FILES + 1, bytes: TOTAL });
        assertEquals([filesTotal, bytesTotal], index ? [files, bytes] : [undefined, undefined]);
      });
    });
  }
  await t.step("what a Worker announces is handled in the operation that has asked", async () => {
    const seen: (string | undefined)[] = [];
    const id = await operations.run({ kind: "backup" }, async ({ id }) => {
      await fixture.content.pack({ area: "workspaces", name: "w" }, {
        reuse: [],
        onLayer: (layer) => {
          seen.push(currentOperation()?.id);
          return fixture.content.discard(layer.file);
        },
      });
      return id;
    });
    assert(seen.length > 0);
    assertEquals(seen.filter((operation) => operation !== id), []);
  });
});
