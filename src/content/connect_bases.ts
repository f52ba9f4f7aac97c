import type { Bases } from "./bases.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { UntouchedClones } from "./untouched_clones.ts";

/** Implements {@link Bases} by messages to content Workers. */
export function connectBases(workers: Dispatcher, clones: UntouchedClones): Bases {
  return {
    list: () => workers.run("listBases", {}),
    make: () => workers.quick("makeBase", {}),
    seal: (tree, base) => workers.run("sealBase", { name: tree.name, base }),
    adopt: (copy, base) => workers.quick("adoptBase", { copy, base }),
    async clone(id, tree) {
      const cloned = await workers.quick("cloneBase", { id, tree });
      clones.add(tree, cloned.newBaseline);
      return cloned;
    },
    measure: (id) => workers.run("measureBase", { id }),
    remove: (name) => workers.run("removeBase", { name }),
    space: () => workers.quick("spaceOfBases", {}),
  };
}
