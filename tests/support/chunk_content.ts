/** Content without Workers: a tree is a list of chunks, and each chunk is a layer. */

import { join } from "@std/path";
import type {
  Content,
  LayerDescriptor,
  PackOptions,
  PackResult,
  RestoreOptions,
  RestoreResult,
  Tree,
} from "../../src/content/api.ts";
import { digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import type { SpooledBlob } from "../../src/spool.ts";

/** The part of {@link Content} that images of chunks need; anything else fails loudly. */
type Needed = Pick<
  Content,
  "pack" | "restore" | "baselineLayers" | "commitBaseline" | "dropBaseline" | "discard"
>;

/** Images of chunks on one node; `folders` are those of its spool and its store. */
export class ChunkContent implements Needed {
  readonly trees = new Map<string, number[]>();
  readonly #baselines = new Map<string, LayerDescriptor[]>();
  readonly #folders: { spool: string; blobs: string };
  #serial = 0;

  constructor(folders: { spool: string; blobs: string }) {
    this.#folders = folders;
  }

  /** Itself as what images take. */
  get content(): Content {
    return this as unknown as Content;
  }

  async pack(tree: Tree, options: PackOptions): Promise<PackResult> {
    const chunks = this.trees.get(tree.name) ?? [];
    const layers: LayerDescriptor[] = [];
    for (const chunk of chunks) {
      const known = options.reuse.find(({ digest }) => digest === digestOf(textOf(chunk)));
      const layer = known ?? this.#layer(chunk);
      layers.push(layer);
      if (layer !== known) await options.onLayer(layer as SpooledBlob & LayerDescriptor);
    }
    const newBaseline = `new-${this.#serial++}`;
    this.#baselines.set(newBaseline, layers);
    const count = 0;
    return {
      layers,
      index: this.#spool(`index of ${chunks.join()}`),
      newBaseline,
      stats: {
        files: chunks.length,
        directories: count,
        otherEntries: count,
        contentBytes: count,
        filesRead: count,
        bytesRead: count,
        newLayers: count,
        newLayerBytes: count,
        skippedSockets: count,
        unstable: [],
        unstableCount: count,
      },
    };
  }

  async restore(tree: Tree, options: RestoreOptions): Promise<RestoreResult> {
    const chunks: number[] = [];
    for (const { digest, size } of options.layers) {
      const file = await options.fetch({ digest, size });
      const folder = file.room === "spool" ? this.#folders.spool : this.#folders.blobs;
      const text = await Deno.readTextFile(join(folder, file.path)).catch((error) => {
        throw new DaemonError("DATA_LOSS", `${digest} cannot be read`, { cause: error });
      });
      await file.release();
      if (digestOf(text) !== digest) throw new DaemonError("DATA_LOSS", `${digest} is damaged`);
      chunks.push(Number(/\d+/.exec(text)));
    }
    this.trees.set(tree.name, chunks);
    const newBaseline = `new-${this.#serial++}`;
    this.#baselines.set(newBaseline, [...options.layers]);
    return { files: chunks.length, contentBytes: 0, newBaseline };
  }

  baselineLayers(name: string): Promise<LayerDescriptor[]> {
    return Promise.resolve(this.#baselines.get(name) ?? []);
  }

  commitBaseline(token: string, name: string): Promise<void> {
    this.#baselines.set(name, this.#baselines.get(token) ?? []);
    return this.dropBaseline(token);
  }

  dropBaseline(name: string): Promise<void> {
    this.#baselines.delete(name);
    return Promise.resolve();
  }

  async discard(file: { path: string }): Promise<void> {
    await Deno.remove(join(this.#folders.spool, file.path)).catch(() => {});
  }

  #layer(chunk: number): SpooledBlob & LayerDescriptor {
    const blob = this.#spool(textOf(chunk));
    return { ...blob, diffId: digestOf(`diff of ${chunk}`) };
  }

  #spool(text: string): SpooledBlob {
    const path = `file-${this.#serial++}`;
    Deno.writeTextFileSync(join(this.#folders.spool, path), text);
    return { digest: digestOf(text), size: text.length, file: { room: "spool", path } };
  }
}

function textOf(chunk: number): string {
  return `chunk ${chunk}`;
}
