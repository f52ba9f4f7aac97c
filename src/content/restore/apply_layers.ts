/**
 * Restores an image without an index, as other tools make or copy it: applies its layers one after
 * the other, as the OCI image layer specification says ("Applying Changesets"), and our vendor
 * records.
 *
 * `inspect/layer_tree.ts` applies changesets too, to a tree in memory. They share the parsing of
 * whiteouts and paths (`image/whiteout.ts`), not the loop: this one reads each layer twice, because a
 * layer's headers need not fit into memory, and writes content as it passes; that one reads a layer
 * once, keeps its headers and skips the content. A loop for both would be two calls of callbacks.
 */

import { ArchiveError } from "../../archive/mod.ts";
import { dataLoss, type LayerDescriptor, verifyBlob } from "../../image/mod.ts";
import type { LocalFile } from "../../spool.ts";
import { type OpenAreas, openLocalFile, openTree, requireStaging } from "../areas.ts";
import type { OperationContext } from "../operation.ts";
import type { Tree } from "../tree.ts";
import { LayeredTree } from "./layered_tree.ts";
import type { RestoreResult } from "./restore_result.ts";

/** The layers to restore, and where. */
export interface LayersRequest {
  readonly tree: Tree;
  /** Lowest first. */
  readonly layers: readonly LayerDescriptor[];
  /** The layers' local files, in the same order. */
  readonly files: readonly LocalFile[];
  /** The most bytes that the tree may take on disk; absent for no limit but the disk. */
  readonly limitBytes: number | undefined;
  /** Whether this product made the image; see `RestoreOptions.trusted`. */
  readonly trusted: boolean;
}

/**
 * Restores an image by its layers. After a failure the caller deletes the tree.
 * @throws {DaemonError} DATA_LOSS naming the layer, RESOURCE_EXHAUSTED, ABORTED
 */
export async function restoreLayers(
  areas: OpenAreas,
  request: LayersRequest,
  context: OperationContext,
): Promise<RestoreResult> {
  requireStaging(request.tree);
  using top = openTree(areas, request.tree);
  const tree = new LayeredTree(top, areas, request, context);
  for (const [n, layer] of request.layers.entries()) {
    using file = openLocalFile(areas, request.files[n]!);
    verifyBlob(file, layer, () => context.throwIfCancelled());
    try {
      // Whiteouts apply to lower layers only, wherever in the layer they are: they go first.
      await tree.pass(file, (entry, pass) => tree.remove(entry, pass));
      const diffId = await tree.pass(file, (entry, pass) => tree.apply(entry, pass));
      if (diffId !== layer.diffId) {
        throw dataLoss(layer.digest, `its uncompressed content has digest ${diffId}`);
      }
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw error;
      throw dataLoss(layer.digest, error.message, error);
    }
  }
  return tree.finish();
}
