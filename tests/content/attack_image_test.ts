import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import { startAttack } from "../fixtures/attack.ts";
import { testFolder } from "../fixtures/folder.ts";
import { assertPeersAgree } from "../fixtures/peers.ts";
import { rounds } from "../fixtures/soak.ts";
import { readTree } from "../fixtures/tree.ts";
import { ImageFixture } from "./image_fixture.ts";
import { ME } from "./fixture.ts";
import { Canaries, CANARY_FILES } from "./canaries.ts";

const HOSTILE = "hostile";

/** Directories with files of their own, each beside a link that leads to a victim. */
function fill(path: string, at: Canaries): [string, string][] {
  const pairs: [string, string][] = [];
  for (let n = 0; n < 40; n++) {
    for (const name of [`top${n}`, `deep/${n}/inner`]) {
      Deno.mkdirSync(join(path, name, "d"), { recursive: true });
      for (const canary of CANARY_FILES) Deno.writeTextFileSync(join(path, name, canary), "own");
      Deno.symlinkSync(at.targets[n % 2]!, join(path, `${name}.link`));
      pairs.push([name, `${name}.link`]);
    }
    const leaf = `leaf${n}`;
    Deno.writeTextFileSync(join(path, leaf), "own");
    Deno.symlinkSync(join(at.targets[n % 2]!, "canary"), join(path, `${leaf}.link`));
    pairs.push([leaf, `${leaf}.link`]);
  }
  return pairs;
}

Deno.test("an image holds nothing of elsewhere though directories are swapped for links meanwhile", async () => {
  using outside = testFolder();
  await using fixture = new ImageFixture();
  const at = new Canaries(fixture.areas.workspaces, outside.path);
  const path = await fixture.publish(HOSTILE);
  const attack = await startAttack(path, fill(path, at));
  for (const round of rounds(4)) {
    // Both a first image and what a baseline makes of a moving tree.
    if (round % 3 === 0) await fixture.content.dropBaseline(HOSTILE);
    const image = await fixture.pack(HOSTILE);
    const { tree, path: restored } = await fixture.restore(image);
    for (const entry of await readTree(restored)) {
      if (entry.type !== "file") continue;
      assertEquals(Deno.readTextFileSync(join(restored, entry.path)), "own", entry.path);
    }
    await fixture.content.remove(tree);
    await assertPeersAgree(fixture, image);
    for (const { digest } of image.layers) Deno.removeSync(fixture.blobPath(digest));
  }
  const swaps = await attack.stop();
  assert(swaps > 1000, `only ${swaps} swaps were made`);
  at.check();
});

Deno.test("a restore writes nothing elsewhere though directories are swapped for links meanwhile", async () => {
  using outside = testFolder();
  await using fixture = new ImageFixture();
  const at = new Canaries(fixture.areas.workspaces, outside.path);
  const path = await fixture.publish(HOSTILE);
  const pairs = fill(path, at);
  const image = await fixture.pack(HOSTILE);
  let swaps = 0;
  for (const round of rounds(6)) {
    const into = await fixture.content.create(ME);
    const attack = await startAttack(join(fixture.areas.staging, into.name), pairs);
    try {
      await fixture.restore(image, { into, index: round % 2 === 0 });
    } catch (error) {
      // All that an attacker can reach is that their own restore fails.
      assert(error instanceof DaemonError, String(error));
    }
    swaps += await attack.stop();
    at.check();
    await fixture.content.remove(into);
    at.check();
  }
  assert(swaps > 1000, `only ${swaps} swaps were made`);
});
