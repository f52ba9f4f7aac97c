import type { Bases } from "./bases.ts";
import type { Dispatcher } from "./dispatcher.ts";

/** Implements {@link Bases} by messages to content Workers. */
export function connectBases(workers: Dispatcher): Bases {
  return {
    list: () => workers.run("listBases", {}),
    make: () => workers.quick("makeBase", {}),
    seal: (tree, base) => workers.run("sealBase", { name: tree.name, base }),
    adopt: (copy, base) => workers.quick("adoptBase", { copy, base }),
    clone: (id, tree) => workers.quick("cloneBase", { id, tree }),
    measure: (id) => workers.run("measureBase", { id }),
    remove: (name) => workers.run("removeBase", { name }),
    space: () => workers.quick("spaceOfBases", {}),
  };
}
