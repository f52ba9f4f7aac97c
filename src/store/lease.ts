/**
 * The pact between collection and writers, on nothing but objects.
 *
 * A store cannot "delete unless it was touched meanwhile" in one step. So a collection first
 * writes down which blobs it is about to delete (they are condemned), then looks at each one's age
 * a last time, then deletes it. A writer that wants a blob touches it first and then reads that
 * note. In whatever order the two meet, either the collection sees the fresh blob and leaves it, or
 * the writer sees the note, waits until it is withdrawn, and looks again.
 *
 * The note is one object under a fixed key, because a listing may lag; it runs out by itself, so
 * that a collection that died holds nobody up for long.
 */

import * as z from "zod";
import type { Clock } from "../clock.ts";
import { type Digest, hexOf } from "../digest.ts";

/** Enough of a digest to name a blob: a chance match merely makes a writer wait. */
const SHORT_NAME_LENGTH = 16;
/** How often a writer looks whether the note has been withdrawn; milliseconds. */
const POLL_MS = 250;

const schema = z.object({
  version: z.literal(1),
  holder: z.string(),
  /** Milliseconds since the epoch, by the store's clock. */
  expiresAt: z.number(),
  condemned: z.array(z.string()),
});

/** What a collection says about itself. */
export interface Lease {
  holder: string;
  expiresAt: number;
  condemned: string[];
}

/** How a blob is named in a lease. */
export function shortName(digest: Digest): string {
  return hexOf(digest).slice(0, SHORT_NAME_LENGTH);
}

export function encodeLease(lease: Lease): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ version: 1, ...lease }));
}

/** `undefined` for what is no lease: only this program writes there, so a foreign note binds nobody. */
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

export interface AwaitCollectorOptions {
  /** Reads the lease object; `undefined` where there is none. */
  read(): Promise<Uint8Array | undefined>;
  /** The store's time; milliseconds since the epoch. */
  now(): number;
  clock: Clock;
  signal?: AbortSignal;
}

/**
 * Waits until no collection is about to delete the blob. Call it after touching, or after having
 * found it missing. Resolves to whether there was one: then what was found before may be gone.
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
