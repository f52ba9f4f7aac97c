/** What programs do to files while they are packed, and what must come of it. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { canMount, smallFileSystem } from "../fixtures/mount.ts";
import { assertPeersAgree } from "../fixtures/peers.ts";
import { PYTHON } from "../fixtures/python.ts";
import { rounds } from "../fixtures/soak.ts";
import { directory, file, makeTree } from "../fixtures/tree.ts";
import { ImageFixture } from "./image_fixture.ts";

/** A Python program that says a line when it has done a step, and does the next when told to. */
class Script implements AsyncDisposable {
  readonly #child;
  readonly #lines;
  readonly #stdin;

  constructor(text: string, ...args: string[]) {
    this.#child = new Deno.Command(PYTHON, {
      args: ["-u", "-c", text, ...args],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#lines = this.#child.stdout.getReader();
    this.#stdin = this.#child.stdin.getWriter();
  }

  async step(): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode("\n"));
    const { value } = await this.#lines.read();
    assert(value, "the script ended");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stdin.close();
    await this.#lines.cancel();
    await this.#child.status;
  }
}

const MAPPED = `
import mmap, sys
file = open(sys.argv[1], "r+b")
map = mmap.mmap(file.fileno(), 0)
for content in (b"first ", b"second", b"third "):
    sys.stdin.readline()
    map[0:6] = content
    print("done")
sys.stdin.readline()
`;

async function mapsAndPacks(fixture: ImageFixture, path: string): Promise<void> {
  await makeTree(path, [["mapped", file("nothing")], ["other", file("other")]]);
  await using script = new Script(MAPPED, join(path, "mapped"));
  for (const content of ["first g", "secondg", "third g"]) {
    await script.step();
    const { path: restored, tree } = await fixture.restore(await fixture.pack("w"));
    assertEquals(Deno.readTextFileSync(join(restored, "mapped")), content);
    await fixture.content.remove(tree);
  }
}

Deno.test("a store to a mapped file is in the next image, though its page was dirty already", async () => {
  await using fixture = new ImageFixture();
  await mapsAndPacks(fixture, await fixture.publish("w"));
});

Deno.test({
  name: "a store to a mapped file is in the next image on tmpfs too, which does not note it " +
    "(needs root and mount)",
  ignore: !canMount(),
  async fn() {
    await using fixture = new ImageFixture();
    const path = await fixture.publish("w");
    using _ = smallFileSystem(path, 16 << 20);
    await mapsAndPacks(fixture, path);
  },
});

/** Takes a write lease, which opening the file breaks, and gives it up when it is asked to. */
const LEASED = `
import fcntl, os, signal, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
signal.signal(signal.SIGIO, lambda *_: (time.sleep(0.2), fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)))
sys.stdin.readline()
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("done")
sys.stdin.readline()
`;

Deno.test("a file that a program has a lease on is packed once the program lets go", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w", [["leased", file("content")]]);
  await using script = new Script(LEASED, join(path, "leased"));
  await script.step();
  const { path: restored } = await fixture.restore(await fixture.pack("w"));
  assertEquals(Deno.readTextFileSync(join(restored, "leased")), "content");
});

/** @returns whether the file system takes so many */
function giveAttributes(path: string, count: number): boolean {
  const script = `
import os, sys
for n in range(int(sys.argv[2])):
    os.setxattr(sys.argv[1], "user.%d%s" % (n, "n" * 240), b"")
`;
  return new Deno.Command(PYTHON, { args: ["-c", script, path, String(count)], stderr: "null" })
    .outputSync().success;
}

Deno.test({
  name: "a file with more attributes than Linux can list is packed without them, and named " +
    "(needs root and mount)",
  ignore: !canMount(),
  async fn(t) {
    await using fixture = new ImageFixture();
    const path = join(fixture.areas.workspaces, "w");
    Deno.mkdirSync(path);
    using _ = smallFileSystem(path, 16 << 20);
    Deno.writeTextFileSync(join(path, "odd"), "content");
    await t.step({
      name: "(needs a tmpfs with user attributes)",
      ignore: !giveAttributes(join(path, "odd"), 300),
      async fn() {
        const image = await fixture.pack("w");
        assertEquals(image.stats.unstable, ["odd"]);
        const { path: restored } = await fixture.restore(image);
        assertEquals(Deno.readTextFileSync(join(restored, "odd")), "content");
      },
    });
  },
});

/** Renames argv[2] to argv[3] in the folder argv[1], and back, without pause. */
const RENAMES = `
import os, select, sys
os.chdir(sys.argv[1])
sys.stdin.readline()
print("ready")
a, b = sys.argv[2:4]
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(100):
        os.rename(a, b)
        os.rename(b, a)
`;

/** Makes and removes directories in the folder argv[1] without pause. */
const COMING_AND_GOING = `
import os, select, sys
os.chdir(sys.argv[1])
sys.stdin.readline()
print("ready")
while not select.select([sys.stdin], [], [], 0)[0]:
    for n in range(100): os.mkdir("gone%d" % n)
    for n in range(100): os.rmdir("gone%d" % n)
`;

Deno.test("directories that come and go fail no pack", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w", [["kept", file("kept")]]);
  await using script = new Script(COMING_AND_GOING, path);
  await script.step();
  for (const _ of rounds(10, 0.3)) {
    const image = await fixture.pack("w");
    const restored = await fixture.restored(image);
    assertEquals(restored.filter(({ type }) => type === "file").map(({ path }) => path), ["kept"]);
  }
});

for (
  const [what, from, to] of [
    ["file renamed in its folder", "doc-a", "zdoc-b"],
    ["file moved between folders", "m/file", "z/file"],
    ["folder moved between folders", "m/proj", "z/proj"],
  ] as const
) {
  Deno.test(`a ${what} without pause is in every image, under one name at least`, async () => {
    await using fixture = new ImageFixture();
    const path = await fixture.publish("w", [
      ["doc-a", file("document")],
      ["m", directory()],
      ["m/file", file("document")],
      ["m/proj", directory()],
      ["m/proj/inner", directory()],
      ["m/proj/inner/deep", file("document")],
      ["z", directory()],
      ...Array.from({ length: 300 }, (_, n) => [`n${n}`, file(`${n}`)] as const),
      ...Array.from({ length: 50 }, (_, n) => [`m/n${n}`, file(`${n}`)] as const),
    ]);
    await using script = new Script(RENAMES, path, from, to);
    await script.step();
    for (const round of rounds(4, 0.3)) {
      if (round % 2 === 0) await fixture.content.dropBaseline("w");
      const image = await fixture.pack("w");
      await assertPeersAgree(fixture, image);
      for (const index of [true, false]) {
        const { path: restored, tree } = await fixture.restore(image, { index });
        const found = [from, to].flatMap((name) => contents(join(restored, name)));
        if (found.length === 0) {
          assert(image.stats.unstableCount > 0, "it is gone, and nothing is said of it");
        }
        assert(found.every((content) => content === "document"), found.join());
        await fixture.content.remove(tree);
      }
    }
  });
}

/** The content of the one file at or below a path; none where nothing is. */
function contents(path: string): string[] {
  for (const below of ["", "inner/deep"]) {
    try {
      return [Deno.readTextFileSync(join(path, below))];
    } catch {
      continue;
    }
  }
  return [];
}
