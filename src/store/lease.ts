/**
 * Implements the protocol between a collection and writers, by which no blob is deleted that a writer has
 * just found. It needs nothing of the store but objects.
 *
 * A store cannot "delete unless it was touched meanwhile" in one step. So a collection first
 * writes a lease, an object that names the blobs it is about to delete (it condemns them), then reads
 * each blob's age a last time, then deletes it. A writer that needs a blob touches it first and then
 * reads the lease. In whatever order the two act, either the collection sees that the blob is young and
 * leaves it, or the writer sees the lease, waits until it is withdrawn, and looks for the blob again.
 *
 * The lease is one object under a fixed key, because a listing may lag. It expires, so that a collection
 * that was killed does not hold writers up for long.
 */

import * as z from "zod";
import type { Clock } from "../clock.ts";
import { type Digest, hexOf } from "../digest.ts";

/** Hexadecimal digits that name a blob in a lease. If two blobs share them, a writer waits in vain. */
const SHORT_NAME_LENGTH = 16;
/** How often a waiting writer reads the lease. Milliseconds. */
const POLL_MS = 250;

const schema = z.object({
  version: z.literal(1),
  holder: z.string(),
  /** Milliseconds since the epoch, by the store's clock. */
  expiresAt: z.number(),
  condemned: z.array(z.string()),
});

/** What a collection announces to writers and to other collections. */
export interface Lease {
  /** A random name of the collection. */
  holder: string;
  /** Milliseconds since the epoch, by the store's clock. */
  expiresAt: number;
  /** The blobs that it is about to delete, by their {@link shortName}. */
  condemned: string[];
}

/** Returns the name of a blob in a lease. */
export function shortName(digest: Digest): string {
  return hexOf(digest).slice(0, SHORT_NAME_LENGTH);
}

/** Returns the bytes of a lease's object. */
export function encodeLease(lease: Lease): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ version: 1, ...lease }));
}

/**
 * Returns the lease in an object's bytes; `undefined` for anything else. Only this program writes under
 * the lease's key, so what it cannot read is damaged or foreign, and no collection relies on it.
 */
export function decodeLease(bytes: Uint8Array): Lease | undefined {
  try {
    const { holder, expiresAt, condemned } = schema.parse(
      JSON.parse(new TextDecoder().decode(bytes)),
    );
    return { holder, expiresAt, condemned };
  } catch {
    return undefined;
  }
}

/** Options of {@link awaitCollector}. */
export interface AwaitCollectorOptions {
  /** Reads the lease object; `undefined` where there is none. */
  read(): Promise<Uint8Array | undefined>;
  /** The store's time; milliseconds since the epoch. */
  now(): number;
  clock: Clock;
  signal?: AbortSignal | undefined;
}

/**
 * Waits until no collection is about to delete the blob. To be called after the blob was touched, or was
 * found missing. Resolves to whether it waited: if so, what the caller found before may be gone.
 */
export async function awaitCollector(
  digest: Digest,
  options: AwaitCollectorOptions,
): Promise<boolean> {
  const name = shortName(digest);
  for (let waited = false;; waited = true) {
    const bytes = await options.read();
    const lease = bytes && decodeLease(bytes);
    if (!lease || lease.expiresAt <= options.now() || !lease.condemned.includes(name)) {
      return waited;
    }
    await options.clock.sleep(POLL_MS, options.signal);
  }
}
