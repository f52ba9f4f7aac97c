/** Content is found again by its digest, and every image is exactly the tree that was saved. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { settle } from "../fixtures/settle.ts";
import { runs, soaking } from "../fixtures/soak.ts";
import { assertSameTree, readTree } from "../fixtures/tree.ts";
import { ImageFixture, withoutExtents } from "../content/image_fixture.ts";

interface Edit {
  readonly op: string;
  readonly a: number;
  readonly b: number;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  op: fc.constantFrom(
    "write",
    "write",
    "move",
    "move",
    "copy",
    "link",
    "remove",
    "chmod",
    "touch",
    "mkdir",
    "hole",
    "swap",
  ),
  a: fc.nat(7),
  b: fc.nat(7),
});
const script = fc.array(
  fc.record({ edits: fc.array(edit, { maxLength: 8 }), isSettled: fc.boolean() }),
  { minLength: 2, maxLength: soaking() ? 6 : 2 },
);

const NAMES = ["p", "q", "p/r", "p/s", "q/t", "p/r/u", "v", "q/t/w"];
/** Each more than is stored again without a look. */
const CONTENTS = [180, 180, 260, 1400].map((kib) => {
  const bytes = new Uint8Array(kib << 10);
  for (let at = 0; at < bytes.length; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65536));
  }
  return bytes;
});

/** Does an edit in a tree; what cannot be done is not. */
function doEdit(path: string, { op, a, b }: Edit): void {
  const from = `${path}/${NAMES[a]}`;
  const to = `${path}/${NAMES[b]}`;
  const content = CONTENTS[b % CONTENTS.length]!;
  try {
    if (op === "write") Deno.writeFileSync(from, content);
    else if (op === "move") Deno.renameSync(from, to);
    else if (op === "copy") new Deno.Command("cp", { args: ["-aT", from, to] }).outputSync();
    else if (op === "link") Deno.linkSync(from, to);
    else if (op === "remove") Deno.removeSync(from, { recursive: true });
    else if (op === "chmod") {
      new Deno.Command("chmod", { args: ["-R", `70${b}`, from] }).outputSync();
    } else if (op === "touch") Deno.utimeSync(from, b, b);
    else if (op === "mkdir") Deno.mkdirSync(from);
    else if (op === "hole") writeWithHole(from, content);
    else if (op === "swap") {
      Deno.renameSync(from, `${path}/swap`);
      Deno.renameSync(to, from);
      Deno.renameSync(`${path}/swap`, to);
    }
  } catch (error) {
    // The file system says what it makes of it.
    assert(error instanceof Error);
  }
}

function writeWithHole(path: string, content: Uint8Array): void {
  using file = Deno.openSync(path, { write: true, create: true });
  file.seekSync(1 << 20, Deno.SeekMode.Start);
  file.writeSync(content);
}

Deno.test("whatever is moved, copied and changed, each image is the tree that was saved", async () => {
  await using fixture = new ImageFixture();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(script, async (saves) => {
      const id = `w${run++}`;
      const path = await fixture.publish(id);
      for (const name of ["p", "q"]) Deno.mkdirSync(`${path}/${name}`);
      for (const [n, name] of ["p/r", "p/s", "q/t", "v"].entries()) {
        Deno.writeFileSync(`${path}/${name}`, CONTENTS[n]!);
      }
      await settle(fixture.areas.scratch);
      await fixture.pack(id);
      for (const { edits, isSettled } of saves) {
        for (const edit of edits) doEdit(path, edit);
        if (isSettled) await settle(fixture.areas.scratch);
        const image = await fixture.pack(id);
        const wanted = withoutExtents(await readTree(path));
        assertSameTree(withoutExtents(await fixture.restored(image)), wanted);
        assertEquals(fixture.entries(image).length, wanted.length);
        if (!image.isNative) {
          assertSameTree(withoutExtents(await fixture.restored(image, { index: false })), wanted);
        }
      }
    }),
    { numRuns: runs(1, 40), verbose: 1 },
  );
});
