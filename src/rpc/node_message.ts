/** The node itself as a message. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { NodeInfo } from "../admin/mod.ts";
import type { NodeSchema } from "../wire/mod.ts";

/** Returns the node as a message. */
export function nodeMessage(node: NodeInfo): MessageInitShape<typeof NodeSchema> {
  return {
    version: node.version,
    deno: node.deno,
    startTime: timestampFromMs(node.startedAt),
    ready: node.ready.ok,
    store: node.store,
    disks: node.disks.map(({ area, free, size, freeInodes, inodes }) => ({
      area,
      freeBytes: BigInt(free),
      sizeBytes: BigInt(size),
      freeInodes: BigInt(freeInodes),
      inodes: BigInt(inodes),
    })),
    certificates: node.certificates.map(({ part, path, subject, notAfter }) => ({
      part,
      path,
      subject,
      expireTime: timestampFromMs(notAfter),
    })),
    problems: node.problems.map(({ reason, part, message, since }) => ({
      reason,
      part,
      message: message.toWellFormed(),
      ...(since === undefined ? {} : { since: timestampFromMs(since) }),
    })),
  };
}
