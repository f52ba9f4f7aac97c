/** Collects what the status page shows. */

import type { Administration } from "../admin/mod.ts";
import type { Content } from "../content/mod.ts";
import type { NodeView } from "../status_page/mod.ts";

/** Returns the node at this moment, with its workspaces and operations. */
export async function nodeView(
  { administration, content }: { administration: Administration; content: Content },
): Promise<NodeView> {
  const [node, usages] = await Promise.all([administration.node(), content.usages()]);
  return {
    ...node,
    now: Date.now(),
    workspaces: administration.workspaces().map(({ id, state, record }) => {
      const usedBytes = usages.get(id)?.bytes;
      return {
        id,
        owner: record.owner,
        metaId: record.metaId,
        state,
        quotaBytes: record.quotaBytes,
        ...(usedBytes === undefined ? {} : { usedBytes }),
      };
    }),
    operations: administration.operations.all(),
  };
}
