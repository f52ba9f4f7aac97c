/** Uses a store as the daemon Worker would, with exactly the permissions that the store asks for. */

import { createHash } from "node:crypto";
import { join } from "@std/path";
import { type Digest, sha256Digest } from "../../src/digest.ts";
import { messageOf } from "../../src/errors.ts";
import { openStore, type StorageOptions } from "../../src/store/kinds.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";

export interface ConfinedRun {
  storage: StorageOptions;
  spoolDir: string;
  /** Size of a second blob to send and fetch, after one of a mebibyte: bytes, whole mebibytes. */
  size?: number;
}

export interface ConfinedJob extends ConfinedRun {
  /** Size of the blob. */
  size: number;
}

interface WorkerScope {
  onmessage: ((event: MessageEvent<ConfinedJob>) => void) | null;
  postMessage(message: string): void;
}

/** A block of the blob; it repeats with a number in front. */
const BLOCK = 1 << 20;

async function run({ storage, spoolDir, size }: ConfinedJob): Promise<string> {
  await using stack = new AsyncDisposableStack();
  const store = await openStore(storage, { spoolDir, metrics: new Metrics() });
  stack.defer(() => store.close());
  await store.probe();
  const reference = new TextEncoder().encode("a reference");
  await store.putRef("refs/confined/one.json", reference);
  await store.getRef("refs/confined/one.json");
  const { digest, path } = await makeBlob(spoolDir, size);
  if (!await store.putBlob({ digest, size, file: { area: "spool", path } })) {
    return "the blob was there before";
  }
  const held = await store.acquireBlob(digest, size);
  await held.release();
  return "ok";
}

async function makeBlob(
  spoolDir: string,
  size: number,
): Promise<{ digest: Digest; path: string }> {
  const hash = createHash("sha256");
  const path = "blob";
  using file = await Deno.open(join(spoolDir, path), { write: true, createNew: true });
  const block = new Uint8Array(Math.min(BLOCK, size));
  for (let at = 0; at < block.length; at += 65536) {
    crypto.getRandomValues(block.subarray(at, at + 65536));
  }
  for (let left = size; left > 0; left -= block.length) {
    new DataView(block.buffer).setUint32(0, left);
    hash.update(block);
    for (let written = 0; written < block.length;) {
      written += await file.write(block.subarray(written));
    }
  }
  return { digest: sha256Digest(hash.digest("hex")), path };
}

const scope = globalThis as unknown as WorkerScope;
scope.onmessage = ({ data }) => {
  run(data).catch((error) => `failed: ${messageOf(error)}`).then((result) =>
    scope.postMessage(result)
  );
};
