/** In which order the parts of several layers are received. */

import { assertEquals } from "@std/assert";
import { Semaphore } from "../../src/async/mod.ts";
import type { Dispatcher } from "../../src/content/dispatcher.ts";
import type { Omissions } from "../../src/content/omissions.ts";
import type { LayerPart } from "../../src/content/restore/layer_parts.ts";
import { LayerStream, PARTS_UNDER_WAY } from "../../src/content/restore/stream_layer.ts";
import type { StepRequest } from "../../src/content/restore/step.ts";
import { digestOf } from "../../src/digest.ts";
import { until } from "../fixtures/eventually.ts";

const NOTHING: Omissions = { counts: {}, examples: [] };

/** Workers that say what a layer's parts are, one byte each, and restore one when they are told to. */
class Parts {
  readonly restoring: PromiseWithResolvers<Omissions>[] = [];

  constructor(private readonly count: number) {}

  /** Restores the layer. @returns what each of its parts had omitted */
  async restore(permits: Semaphore): Promise<Omissions[] | undefined> {
    const bytes = new Uint8Array(this.count).fill(7);
    const size = this.count;
    const ids = { digest: digestOf(bytes), diffId: digestOf(bytes) };
    const layer = { ...ids, size, rawSize: size, isMetadata: false };
    return await new LayerStream({
      dispatcher: { run: (operation: string) => this.#run(operation) } as unknown as Dispatcher,
      request: {} as StepRequest,
      layer,
      files: { start: 0, end: 0 },
      stream: {
        read: (start, end) => Promise.resolve(bytes.slice(start, end)),
        close: () => Promise.resolve(),
      },
      permits,
      ready: Promise.resolve(),
      signal: new AbortController().signal,
    }).restore();
  }

  #run(operation: string): Promise<unknown> {
    if (operation === "restoreParts") {
      const parts = Array.from({ length: this.count }, (_, n): LayerPart => ({
        ...{ start: n, end: n + 1, rawStart: n, rawEnd: n + 1 },
        ...{ frames: [1, 1], first: 0, last: 0, continued: [] },
      }));
      return Promise.resolve({ parts, split: [] });
    }
    const restoring = Promise.withResolvers<Omissions>();
    this.restoring.push(restoring);
    return restoring.promise;
  }
}

Deno.test("a small layer does not wait until all of a large one is received", async () => {
  const permits = new Semaphore(PARTS_UNDER_WAY);
  const [large, small] = [new Parts(10 * PARTS_UNDER_WAY), new Parts(1)];
  const all = large.restore(permits);
  await until("as many parts as may be", () => large.restoring.length === PARTS_UNDER_WAY);
  const one = small.restore(permits);
  // Each part that ends gives one permit back.
  for (let ended = 0; small.restoring.length === 0; ended++) {
    assertEquals(ended <= PARTS_UNDER_WAY, true, "the small layer comes last");
    const begun = large.restoring.length;
    large.restoring[ended]!.resolve(NOTHING);
    await until(
      "the next part",
      () => large.restoring.length > begun || small.restoring.length > 0,
    );
  }
  small.restoring[0]!.resolve(NOTHING);
  assertEquals(await one, [NOTHING]);
  for (let n = 0; n < 10 * PARTS_UNDER_WAY; n++) {
    await until("each part", () => large.restoring.length > n);
    large.restoring[n]!.resolve(NOTHING);
  }
  assertEquals((await all)?.length, 10 * PARTS_UNDER_WAY);
});
