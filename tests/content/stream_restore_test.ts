/** Layers that become files while they are received. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import type { PackResult } from "../../src/content/pack/pack_result.ts";
import type { BlobStream } from "../../src/content/restore/restore_result.ts";
import { type Digest, hexOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { noise } from "../fixtures/noise.ts";
import { assertSameTree, readTree, type TreeEntry } from "../fixtures/tree.ts";
import { assertFails } from "./fixture.ts";
import { ImageFixture, packable, withoutExtents } from "./image_fixture.ts";
import { WHOLE_TREE } from "./whole_tree.ts";

const MIB = 2 ** 20;

/** Nearly all of {@link LONG} is in the second part. */
const LONG = 4 * MIB + 123;

/** A store elsewhere: gives layers in ranges, and notes what was asked of it. */
class Streams {
  readonly closed: boolean[] = [];
  /** Called before each range. */
  beforeRead: (start: number, signal: AbortSignal) => Promise<void> = () => Promise.resolve();
  /** Changes what is read. */
  alter: (bytes: Uint8Array<ArrayBuffer>, start: number, of: { digest: Digest }) => void = () => {};
  copies = false;
  /** Has a copy be one that cannot be written. */
  spoilCopy: ((path: string) => void) | undefined;

  constructor(private readonly fixture: ImageFixture) {}

  readonly open = ({ digest, size }: { digest: Digest; size: number }) => {
    const name = `copy-${hexOf(digest)}`;
    const { areas } = this.fixture;
    if (this.copies) Deno.writeFileSync(join(areas.spool, name), new Uint8Array());
    this.spoilCopy?.(join(areas.spool, name));
    const stream: BlobStream = {
      ...(this.copies ? { copy: { area: "spool", path: name } } : {}),
      read: async (start, end, signal) => {
        await this.beforeRead(start, signal);
        assert(start >= 0 && end <= size);
        const bytes = (await Deno.readFile(this.fixture.blobPath(digest))).slice(start, end);
        this.alter(bytes, start, { digest });
        return bytes;
      },
      close: (isWhole) => {
        this.closed.push(isWhole);
        if (!this.copies) return Promise.resolve();
        if (this.spoilCopy) {
          assertThrows(() => Deno.lstatSync(join(areas.spool, name)), Deno.errors.NotFound);
          return Promise.resolve();
        }
        const copy = Deno.readFileSync(join(areas.spool, name));
        Deno.removeSync(join(areas.spool, name));
        if (isWhole) assertEquals(copy, Deno.readFileSync(this.fixture.blobPath(digest)));
        return Promise.resolve();
      },
    };
    return Promise.resolve(stream);
  };

  /** Restores an image. @returns what is restored, without where its holes are */
  async restored(image: PackResult) {
    return withoutExtents(await this.fixture.restored(image, { open: this.open }));
  }
}

/** Everything that a workspace can hold, with a file that is received in two parts. */
async function packed(fixture: ImageFixture) {
  const path = await fixture.publish("w", WHOLE_TREE);
  const long = join(path, "long");
  await Deno.writeFile(long, noise(LONG, 1));
  await Deno.chmod(long, 0o4711);
  await Deno.utime(long, 1_000_000_000, 1_000_000_000.5);
  const wanted = packableTree(await readTree(path));
  return { image: await fixture.pack("w"), wanted };
}

function replaceByLink(path: string): void {
  Deno.removeSync(path);
  Deno.symlinkSync("/dev/full", path);
}

const packableTree = (entries: TreeEntry[]) => withoutExtents(packable(entries));

Deno.test("layers become files while they are received", async (t) => {
  await using fixture = new ImageFixture();
  const { image, wanted } = await packed(fixture);
  const layer = image.layers.toSorted((a, b) => b.size - a.size)[0]!;

  await t.step("the same tree, and copies of the layers where they are wanted", async () => {
    for (const copies of [false, true]) {
      const streams = new Streams(fixture);
      streams.copies = copies;
      assertSameTree(await streams.restored(image), wanted);
      assert(streams.closed.length > 0 && streams.closed.every((isWhole) => isWhole));
    }
  });

  await t.step("without a copy where there is no room for one", async () => {
    const streams = new Streams(fixture);
    streams.copies = true;
    streams.spoilCopy = replaceByLink;
    assertSameTree(await streams.restored(image), wanted);
    assert(streams.closed.length > 0 && streams.closed.every((isWhole) => isWhole));
  });

  await t.step("also where the index says that content has moved", async () => {
    const path = join(fixture.areas.workspaces, "w");
    await Deno.rename(join(path, "long"), join(path, "moved"));
    const moved = await fixture.pack("w");
    assert(moved.isNative);
    const streams = new Streams(fixture);
    assertSameTree(await streams.restored(moved), packableTree(await readTree(path)));
  });

  await t.step("in whatever order their parts come", async () => {
    const streams = new Streams(fixture);
    const waiting: (() => void)[] = [];
    streams.beforeRead = () => new Promise((resolve) => void waiting.push(resolve));
    const restored = streams.restored(image);
    let ended = false;
    restored.finally(() => ended = true).catch(() => {});
    // What was asked for last comes first, once nothing more is asked for.
    for (let seen = -1; !ended; seen = waiting.length) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (waiting.length === seen) waiting.pop()?.();
    }
    assertSameTree(await restored, wanted);
  });

  await t.step("and one byte that is another is DATA_LOSS, wherever it is", async () => {
    for (const at of [20, 4 * MIB + 50, layer.size - 20, layer.size - 3]) {
      const streams = new Streams(fixture);
      streams.alter = (bytes, start, { digest }) => {
        const isThere = digest === layer.digest && start <= at && at < start + bytes.length;
        if (isThere) bytes[at - start]! ^= 1;
      };
      await assertFails(streams.restored(image), "DATA_LOSS", layer.digest);
      assert(streams.closed.includes(false), `byte ${at}`);
    }
  });

  await t.step("until their store fails", async () => {
    const streams = new Streams(fixture);
    const gone = new DaemonError("UNAVAILABLE", "the store is gone");
    streams.beforeRead = (start) => start < MIB ? Promise.resolve() : Promise.reject(gone);
    await assertFails(streams.restored(image), "UNAVAILABLE", "the store is gone");
  });

  await t.step("or the restore is cancelled", async () => {
    const streams = new Streams(fixture);
    const gaveUp = new AbortController();
    streams.beforeRead = (_, signal) => {
      queueMicrotask(() => gaveUp.abort(new DaemonError("ABORTED", "gave up")));
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason))
      );
    };
    const { signal } = gaveUp;
    await assertFails(fixture.restore(image, { open: streams.open, signal }), "ABORTED", "");
    assert(streams.closed.length > 0 && streams.closed.every((isWhole) => !isWhole));
  });
});

Deno.test("a layer with a sparse file that is in several parts is fetched as a whole", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w");
  using file = await Deno.create(join(path, "hole"));
  await file.seek(MIB, Deno.SeekMode.Start);
  await file.write(noise(LONG, 5));
  await file.truncate(20 * MIB);
  const wanted = await readTree(path);
  const image = await fixture.pack("w");
  const streams = new Streams(fixture);
  assertEquals(await fixture.restored(image, { open: streams.open }), wanted);
  assertEquals(streams.closed, [false]);
});
