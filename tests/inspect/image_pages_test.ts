import { assert, assertEquals } from "@std/assert";
import { type ImageFilter, listImages } from "../../src/inspect/image_pages.ts";
import type { ObjectStore } from "../../src/store/mod.ts";
import { StoreFixture } from "../snapshot/fixture.ts";

const SIGNAL = new AbortController().signal;

/** A store that counts what is listed and read of another one. */
function counted(store: ObjectStore) {
  const counts = { listed: 0, read: 0 };
  const counting = new Proxy(store, {
    get(target, name) {
      if (name === "list") {
        return async function* (...args: Parameters<ObjectStore["list"]>) {
          for await (const info of target.list(...args)) {
            counts.listed++;
            yield info;
          }
        };
      }
      if (name === "getRef") {
        return (...args: Parameters<ObjectStore["getRef"]>) => {
          counts.read++;
          return target.getRef(...args);
        };
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { counts, store: counting };
}

/** Returns the urls of all images, page by page. */
async function pagesOf(store: ObjectStore, filter: ImageFilter, size: number): Promise<string[][]> {
  const pages: string[][] = [];
  let after = "";
  do {
    const page = await listImages(store, filter, { size, after }, SIGNAL);
    assertEquals(page.unreadable, []);
    pages.push(page.images.map(({ url }) => url));
    after = page.last ?? "";
  } while (after !== "");
  return pages;
}

Deno.test("a page of images lists and reads what it needs, whatever else the store holds", async (t) => {
  await using fixture = await StoreFixture.open({ retain: 3 });
  const folder = await fixture.publish("w", []);
  for (let n = 0; n < 3; n++) {
    await Deno.writeTextFile(`${folder}/todo-${n}`, "remember\n");
    await fixture.backup("w");
  }
  const { url } = await fixture.snapshot("w");
  // They come after those that are looked at.
  const others = Array.from({ length: 60 }, (_, n) => `refs/snapshots/zoe/m/${n}.json`);
  for (const key of others) await fixture.store.putRef(key, new Uint8Array(3));

  await t.step("pages of every size have every image once, in one order", async () => {
    const [all] = await pagesOf(fixture.store, { owner: "alice" }, 1000);
    assertEquals(all!.length, 4);
    assertEquals(all![3], url);
    for (const size of [1, 2, 3, 4, 5]) {
      const pages = await pagesOf(fixture.store, { owner: "alice" }, size);
      assertEquals(pages.flat(), all, `pages of ${size}`);
      assertEquals(pages.length, Math.ceil(4 / size), `pages of ${size}`);
    }
  });

  await t.step("a small page of a large store looks at a few references", async () => {
    const { store, counts } = counted(fixture.store);
    const page = await listImages(store, {}, { size: 2, after: "" }, SIGNAL);
    assertEquals(page.images.length, 2);
    assert(page.last !== undefined);
    assert(counts.listed <= 8 && counts.read <= 8, JSON.stringify(counts));
    const next = await listImages(store, {}, { size: 1, after: page.last }, SIGNAL);
    assertEquals(next.images.length, 1);
    assert(counts.listed <= 16 && counts.read <= 16, JSON.stringify(counts));
  });
});
