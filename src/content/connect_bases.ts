import type { Bases } from "./bases.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Tree } from "./tree.ts";
import { newTreeName } from "./tree_names.ts";
import type { UntouchedClones } from "./untouched_clones.ts";

/** Implements {@link Bases} by messages to content Workers. */
export function connectBases(workers: Dispatcher, clones: UntouchedClones): Bases {
  return {
    list: () => workers.run("listBases", {}),
    async make() {
      const tree: Tree = { area: "bases", name: newTreeName() };
      try {
        await workers.quick("makeBase", { name: tree.name });
      } catch (error) {
        // An error that nothing caught fails a request whatever it has done by then.
        await workers.run("removeBase", { name: tree.name }).catch(() => {});
        throw error;
      }
      return tree;
    },
    seal: (tree, base) => workers.run("sealBase", { name: tree.name, base }),
    adopt: (copy, base) => workers.quick("adoptBase", { copy, base }),
    async clone(id, tree) {
      const cloned = await workers.quick("cloneBase", { id, tree });
      clones.add(tree, cloned.newBaseline);
      return cloned;
    },
    measure: (id) => workers.run("measureBase", { id }),
    remove: (name) => workers.run("removeBase", { name }),
    removeHalfMade: (name) => workers.run("removeHalfMadeBase", { name }),
    space: () => workers.quick("spaceOfBases", {}),
  };
}
