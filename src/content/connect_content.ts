/** Implements {@link Content} by messages to content Workers. */

import { Semaphore } from "../async/mod.ts";
import { connectBases } from "./connect_bases.ts";
import type { Content } from "./content.ts";
import { Dispatcher, type OnUncaught } from "./dispatcher.ts";
import { pack, PackStatePool } from "./pack/mod.ts";
import { restore } from "./restore/restore.ts";
import { PARTS_UNDER_WAY } from "./restore/stream_layer.ts";
import { connectTrees } from "./tree_operations.ts";
import { UntouchedClones } from "./untouched_clones.ts";

/** Content with its connection to the Workers. */
export interface ConnectedContent extends Content {
  /**
   * Closes the ports; rejects what is not answered with UNAVAILABLE. The spawner ends the Workers.
   */
  close(): void;
}

/**
 * Connects to content Workers that were started with the other ends of `ports`.
 * @param ports one a Worker; the first of several serves quick requests only, so that one more than
 *   there are cores keeps all cores busy
 * @param onUncaught called with errors that nothing caught in a Worker, which are bugs; by default
 *   they are thrown
 */
export function connectContent(
  ports: readonly MessagePort[],
  onUncaught?: OnUncaught,
): ConnectedContent {
  const dispatcher = new Dispatcher(ports, onUncaught);
  const states = new PackStatePool(dispatcher.workers);
  const permits = new Semaphore(PARTS_UNDER_WAY);
  const clones = new UntouchedClones();
  dispatcher.onRequest = (operation, request) => clones.observe(operation, request);
  return {
    ...connectTrees(dispatcher, clones),
    bases: connectBases(dispatcher, clones),
    folders: {
      inspect: (name, owners) => dispatcher.quick("inspectFolder", { name, owners }),
      isEmpty: (name) => dispatcher.quick("isEmptyFolder", { name }),
      idOf: (tree) => dispatcher.quick("identifyFolder", { tree }),
      fill: (from, to) => dispatcher.run("fillFolder", { from, to }),
    },
    pack: (tree, options) => pack({ dispatcher, states }, tree, options),
    restore: (tree, options) => restore({ dispatcher, permits }, tree, options),
    extract: (tree, { area, path }, { compression, limitBytes, trusted = false, signal }) =>
      dispatcher.run(
        "extract",
        { tree, archive: { area, path }, compression, limitBytes, trusted },
        { signal },
      ),
    verifyBlob: ({ area, path }, { digest, size }, options) =>
      dispatcher.run("restoreVerify", { file: { area, path }, blob: { digest, size } }, options),
    baselineLayers: (name) => dispatcher.quick("baselineLayers", { name }),
    workers: dispatcher.workers,
    close: () => dispatcher.close(),
  };
}
