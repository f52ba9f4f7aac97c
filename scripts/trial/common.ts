/** What the scenarios share. */

import { randomBytes } from "node:crypto";
import { join } from "@std/path";
import type { InitWorkspaceInit } from "../../src/client/mod.ts";
import { BUCKET, S3_KEYS } from "../../tests/fixtures/s3rver.ts";
import type { TrialNode } from "./node.ts";

type Initializer = NonNullable<NonNullable<InitWorkspaceInit["initializer"]>["spec"]>;

/** Returns the keys of a config whose store is a bucket at an endpoint. */
export function s3Storage(endpoint: string): Record<string, unknown> {
  return {
    storage: { kind: "s3", endpoint, bucket: BUCKET, forcePathStyle: true, ...S3_KEYS },
  };
}

/** Returns the keys of a config with which an operation counts as slow after a second. */
export const SLOW_AFTER_A_SECOND = { operations: { slowAfter: "1s" } };

/** Returns a request of alice's; for an empty workspace unless told otherwise. */
export function request(
  id: string,
  spec: Initializer = { case: "empty", value: {} },
  metaId = id,
): InitWorkspaceInit {
  return { id, metadata: { owner: "alice", metaId }, initializer: { spec } };
}

/** Makes a workspace with a file of that many bytes that nothing can compress. */
export async function filledWorkspace(node: TrialNode, id: string, bytes: number): Promise<void> {
  await node.client.initWorkspace(request(id));
  await Deno.writeFile(join(node.root, "workspaces", id, "file"), randomBytes(bytes));
}

/** Returns how a node is started: by the binary on trial, if there is one. */
export function commandOf(binary?: string): { command?: readonly [string] } {
  return binary === undefined ? {} : { command: [binary] };
}
