/** Fetches one-time secrets: a `user:password` that a server answers once, at a URL that few know. */

import { retry } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { DaemonError } from "../errors.ts";
import type { Login } from "../git/mod.ts";
import {
  type EgressProxy,
  HttpClient,
  NotConnectedError,
  OutboundRefused,
} from "../outbound/mod.ts";

/** Maximum bytes of an answer; no `user:password` is longer. */
const MAX_BODY_BYTES = 64 * 1024;
const TIMEOUT_MS = 60_000;

/** What fetching a secret uses. */
export interface SecretServices {
  egressProxy: EgressProxy;
  clock: Clock;
}

/** A failure because an answer is no secret; its message repeats nothing of the answer. */
class InvalidSecretError extends Error {}

/** How often a server that cannot be connected to is tried, and how long between. Milliseconds. */
const RETRY = { attempts: 6, baseDelay: 500, maxDelay: 10_000 } as const;

/**
 * Fetches a secret with a GET request, which its server answers only once: it is sent again only where
 * the server could not be connected to.
 * @throws {DaemonError} FAILED_PRECONDITION, which neither names the URL nor has a cause that does:
 *   the URL may itself be the secret
 */
export async function fetchSecret(
  url: string,
  { egressProxy, clock }: SecretServices,
  signal: AbortSignal,
): Promise<Login> {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  const either = AbortSignal.any([signal, limit]);
  try {
    const text = await retry(() => getText(url, egressProxy, either), {
      ...RETRY,
      clock,
      signal: either,
      isRetryable: (error) => error instanceof NotConnectedError,
    });
    return parse(text);
  } catch (error) {
    signal.throwIfAborted();
    const why = limit.aborted ? "its server took too long" : reasonOf(error);
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot get the one-time secret (auth_ots): ${why}`,
      { reason: "SECRET_UNAVAILABLE" },
    );
  }
}

function reasonOf(error: unknown): string {
  // A refusal names the host and its address alone.
  if (error instanceof InvalidSecretError || error instanceof OutboundRefused) return error.message;
  return error instanceof DaemonError && error.code === "FAILED_PRECONDITION"
    ? "its server redirects too often, or to where we do not follow"
    : "its server cannot be reached";
}

async function getText(
  url: string,
  egressProxy: EgressProxy,
  signal: AbortSignal,
): Promise<string> {
  using client = new HttpClient(egressProxy, { isSentOnce: true });
  const response = await client.get(url, { signal });
  if (!response.ok) {
    await response.body?.cancel();
    throw new InvalidSecretError(`its server answered ${response.status}`);
  }
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new InvalidSecretError("the answer is too long");
    chunks.push(chunk);
  }
  return (await new Blob(chunks).text()).replace(/\r?\n$/, "");
}

function parse(text: string): Login {
  const colon = text.indexOf(":");
  if (colon < 0 || !isOneLine(text)) {
    throw new InvalidSecretError("the answer is not of the form user:password");
  }
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Returns whether a user or password can be given to Git, which reads each from a line. */
export function isOneLine(text: string): boolean {
  return !/[\r\n\0]/.test(text);
}
