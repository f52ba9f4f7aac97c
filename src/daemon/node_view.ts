/** Collects what the status page shows. */

import type { Administration } from "../admin/mod.ts";
import type { Content } from "../content/mod.ts";
import type { NodeView } from "../status_page/mod.ts";
import type { ObjectStore } from "../store/mod.ts";
import type { CertificateWatch } from "./certificate_watch.ts";
import type { DiskWatch } from "./disk_watch.ts";
import type { Readiness } from "./readiness.ts";

/** The parts of the daemon that are shown. */
export interface NodeViewSources {
  version: string;
  /** Milliseconds since the epoch. */
  startedAt: number;
  administration: Administration;
  content: Content;
  store: ObjectStore;
  readiness: Readiness;
  disks: DiskWatch;
  certificates: CertificateWatch;
}

/** Returns the node at this moment. It asks the file systems, and never the store, which may be slow. */
export async function nodeView(sources: NodeViewSources): Promise<NodeView> {
  const { administration, certificates, content, disks, readiness, store } = sources;
  const [usages, spaces] = await Promise.all([content.usages(), disks.read()]);
  const ends = certificates.firstEnd;
  return {
    version: sources.version,
    deno: Deno.version.deno,
    startedAt: sources.startedAt,
    now: Date.now(),
    ready: readiness.get(),
    store: store.kind,
    disks: spaces.map(([area, { free, size }]) => ({ area, free, size })),
    ...(ends === undefined ? {} : { certificateEnds: ends }),
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
