/** Reads what operators see of the node itself. */

import type { NodeInfo } from "../admin/mod.ts";
import type { ObjectStore } from "../store/mod.ts";
import type { CertificateWatch } from "./certificate_watch.ts";
import type { DiskWatch } from "./disk_watch.ts";
import type { Readiness } from "./readiness.ts";

/** The parts of the daemon that tell of the node. */
export interface NodeSources {
  version: string;
  /** Milliseconds since the epoch. */
  startedAt: number;
  store: ObjectStore;
  readiness: Readiness;
  disks: DiskWatch;
  certificates: CertificateWatch;
}

/** Returns the node at this moment. It asks the file systems, and never the store, which may be slow. */
export async function readNode(sources: NodeSources): Promise<NodeInfo> {
  const { certificates, disks, readiness, startedAt, store, version } = sources;
  return {
    version,
    deno: Deno.version.deno,
    startedAt,
    ready: readiness.get(),
    store: store.kind,
    disks: (await disks.read()).map(([area, { free, size, freeInodes, inodes }]) => ({
      area,
      free,
      size,
      freeInodes,
      inodes,
    })),
    certificates: certificates.certificates(),
    problems: [...readiness.problems(), ...certificates.problems()],
  };
}
