import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import { startAttack } from "../support/attack.ts";
import { testFolder } from "../support/folder.ts";
import { assertPeersAgree } from "../support/peers.ts";
import { rounds } from "../support/soak.ts";
import { readTree } from "../support/tree.ts";
import { ImageRig } from "./image_rig.ts";
import { ME } from "./support.ts";
import { CANARIES, Victims } from "./victims.ts";

const HOSTILE = "hostile";

/** Directories with files of their own, each beside a link that leads to a victim. */
function fill(path: string, at: Victims): [string, string][] {
  const pairs: [string, string][] = [];
  for (let n = 0; n < 40; n++) {
    for (const name of [`top${n}`, `deep/${n}/inner`]) {
      Deno.mkdirSync(join(path, name, "d"), { recursive: true });
      for (const canary of CANARIES) Deno.writeTextFileSync(join(path, name, canary), "own");
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
  await using rig = new ImageRig();
  const at = new Victims(rig.rooms.workspaces, outside.path);
  const path = await rig.publish(HOSTILE);
  const attack = await startAttack(path, fill(path, at));
  for (const round of rounds(4)) {
    // Both a first image and what a baseline makes of a moving tree.
    if (round % 3 === 0) await rig.content.dropBaseline(HOSTILE);
    const image = await rig.pack(HOSTILE);
    const { tree, path: restored } = await rig.restore(image);
    for (const entry of await readTree(restored)) {
      if (entry.type !== "file") continue;
      assertEquals(Deno.readTextFileSync(join(restored, entry.path)), "own", entry.path);
    }
    await rig.content.remove(tree);
    await assertPeersAgree(rig, image);
    for (const { digest } of image.layers) Deno.removeSync(rig.blobPath(digest));
  }
  const swaps = await attack.stop();
  assert(swaps > 1000, `only ${swaps} swaps were made`);
  at.check();
});

Deno.test("a restore writes nothing elsewhere though directories are swapped for links meanwhile", async () => {
  using outside = testFolder();
  await using rig = new ImageRig();
  const at = new Victims(rig.rooms.workspaces, outside.path);
  const path = await rig.publish(HOSTILE);
  const pairs = fill(path, at);
  const image = await rig.pack(HOSTILE);
  let swaps = 0;
  for (const round of rounds(6)) {
    const into = await rig.content.create(ME);
    const attack = await startAttack(join(rig.rooms.staging, into.name), pairs);
    try {
      await rig.restore(image, { into, index: round % 2 === 0 });
    } catch (error) {
      // All that an attacker can reach is that their own restore fails.
      assert(error instanceof DaemonError, String(error));
    }
    swaps += await attack.stop();
    at.check();
    await rig.content.remove(into);
    at.check();
  }
  assert(swaps > 1000, `only ${swaps} swaps were made`);
});
