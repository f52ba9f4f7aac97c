/** The operations on trees that one request does each. */

import { DaemonError } from "../errors.ts";
import type { Content } from "./content.ts";
import type { Dispatcher } from "./dispatcher.ts";

/** What of {@link Content} needs no orchestration. */
export type TreeOperations = Omit<
  Content,
  "workers" | "pack" | "restore" | "extract" | "baselineLayers"
>;

/** Those operations, done by the Workers of a dispatcher. */
export function connectTrees(workers: Dispatcher): TreeOperations {
  return {
    create: (owner) => workers.quick("create", { owner }),
    publish: (tree, id) => workers.quick("publish", { tree, id }),
    async remove(tree) {
      let name: string | undefined;
      try {
        name = await workers.quick("trash", { tree });
      } catch (error) {
        if (!isExhausted(error)) throw error;
        return await workers.run("deleteInPlace", { tree });
      }
      if (name !== undefined) await workers.run("deleteTrash", { name });
    },
    clear: (tree) => workers.run("clear", { tree }),
    exists: (tree) => workers.quick("exists", { tree }),
    published: () => workers.quick("published", {}),
    sweep: () => workers.run("sweep", {}),
    commitBaseline: (token, name) => workers.quick("commitBaseline", { token, name }),
    dropBaseline: (name) => workers.quick("dropBaseline", { name }),
    makeDirectory: (tree, path, owner) => workers.quick("makeDirectory", { tree, path, owner }),
    place: (tree, path, file, owner, mode) =>
      workers.run("place", { tree, path, file: { area: file.area, path: file.path }, owner, mode }),
    list: (tree, path) => workers.quick("list", { tree, path }),
    copyOut: (tree, path, maxBytes) => workers.run("copyOut", { tree, path, maxBytes }),
    discard: ({ path }) => workers.quick("discardSpool", { names: [path] }),
    async openDirectory(tree, path) {
      const { fd, owner } = await workers.quick("openDirectory", { tree, path });
      let closed: Promise<void> | undefined;
      return {
        // `self`, not our process id: a child that has become another user may still enter it.
        path: `/proc/self/fd/${fd}`,
        owner,
        close: () => closed ??= workers.quick("closeDirectory", { fd }),
      };
    },
    usage: (tree) => workers.run("usage", { tree }),
  };
}

function isExhausted(error: unknown): boolean {
  return error instanceof DaemonError && error.code === "RESOURCE_EXHAUSTED";
}
