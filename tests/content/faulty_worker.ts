/** A content Worker of the daemon's own, some of whose operations have bugs. */

import { operations } from "../../src/content/operations/mod.ts";
import "../../src/content/worker.ts";

const { create } = operations;

Object.assign(operations, {
  /** Makes the tree and, for the workspace "unlucky", throws where nobody catches it. */
  create: async (areas: Parameters<typeof create>[0], request: Parameters<typeof create>[1]) => {
    create(areas, request);
    if (!request.name.startsWith("unlucky~")) return;
    queueMicrotask(() => {
      throw new Error("thrown once it was made");
    });
    await new Promise((resolve) => setTimeout(resolve));
  },
  /** Throws where nobody catches it, and what it waits for never comes. */
  published: () => {
    setTimeout(() => {
      throw new Error("thrown in a timer");
    });
    return new Promise(() => {});
  },
  /** Does likewise, but comes to an end. */
  leftovers: async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(() => {
      resolve();
      throw new Error("thrown beside the work");
    });
    await promise;
  },
  /** Rejects with what throws when it is looked at, where nobody awaits it. */
  list: () => {
    const cannot = () => {
      throw new Error("not to be looked at");
    };
    void Promise.reject({ toString: cannot });
    return new Promise(() => {});
  },
  /** Answers with what cannot be sent. */
  usage: () => ({ send: () => {} }),
});
