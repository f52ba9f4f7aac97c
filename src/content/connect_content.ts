/** The content Workers as {@link Content}: what the daemon's own thread knows of them. */

import type { Content } from "./content.ts";
import { Dispatcher, type OnUncaught } from "./dispatcher.ts";
import { pack } from "./pack/pack.ts";
import { PackStatePool } from "./pack/shared_state.ts";
import { restore } from "./restore/restore.ts";
import { connectTrees } from "./tree_operations.ts";

/** Content that can be let go of. */
export interface ConnectedContent extends Content {
  /** Stops asking; what is not answered yet is rejected with UNAVAILABLE. The Workers are the spawner's. */
  close(): void;
}

/**
 * Connects to content Workers.
 * @param ports one a Worker; the first of several is kept for quick requests, so that one more than
 *   there are cores keeps them all busy
 * @param onUncaught told of bugs: what nothing caught in a Worker. Unless given, it is thrown on
 */
export function connectContent(
  ports: readonly MessagePort[],
  onUncaught?: OnUncaught,
): ConnectedContent {
  const dispatcher = new Dispatcher(ports, onUncaught);
  const states = new PackStatePool(dispatcher.workers);
  return {
    ...connectTrees(dispatcher),
    pack: (tree, options) => pack({ dispatcher, states }, tree, options),
    restore: (tree, options) => restore(dispatcher, tree, options),
    extract: (tree, { area, path }, { compression, limitBytes, signal }) =>
      dispatcher.run("extract", { tree, archive: { area, path }, compression, limitBytes }, {
        signal,
      }),
    baselineLayers: (name) => dispatcher.quick("baselineLayers", { name }),
    workers: dispatcher.workers,
    close: () => dispatcher.close(),
  };
}
