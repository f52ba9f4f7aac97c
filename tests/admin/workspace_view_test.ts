import { assertEquals } from "@std/assert";
import { viewsOf } from "../../src/admin/workspace_view.ts";
import type { Content } from "../../src/content/mod.ts";
import { DaemonError } from "../../src/errors.ts";
import { OperationRegistry } from "../../src/operations/mod.ts";
import { STORE_CONCURRENCY } from "../../src/snapshot/mod.ts";
import { noStore } from "../../src/store/no_store.ts";
import type { ObjectStore } from "../../src/store/mod.ts";
import type { WorkspaceInfo } from "../../src/workspace/mod.ts";
import { ManualClock } from "../fixtures/clock.ts";

Deno.test("the store is asked for the images of few workspaces at once", async () => {
  const infos = Array.from({ length: 3 * STORE_CONCURRENCY }, (_, n) => ({
    id: `w${n}`,
    identity: { owner: "alice", metaId: `m${n}` },
  })) as unknown as WorkspaceInfo[];
  let asking = 0;
  let most = 0;
  const store: ObjectStore = {
    ...noStore,
    kind: "file",
    getRef: async (key) => {
      most = Math.max(most, ++asking);
      await new Promise((resolve) => setTimeout(resolve, 1));
      asking--;
      throw new DaemonError("NOT_FOUND", key);
    },
    async *list() {},
  };
  const views = await viewsOf(infos, {
    content: { usages: () => Promise.resolve(new Map()) } as unknown as Content,
    store,
    operations: new OperationRegistry(new ManualClock()),
  }, { signal: new AbortController().signal });
  assertEquals(views.map(({ info }) => info), infos);
  assertEquals(most, STORE_CONCURRENCY);
});
