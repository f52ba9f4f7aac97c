/** A one-time secret: `user:password` that a server gives away once, at a URL that few know. */

import { DaemonError } from "../errors.ts";
import type { Login } from "../git/mod.ts";
import { type EgressProxy, HttpClient, OutboundRefused } from "../outbound/mod.ts";
/** `user:password` is not longer. */
const MAX_BODY_BYTES = 64 * 1024;
const TIMEOUT_MS = 60_000;

/** An answer that is no secret; its message repeats nothing of it. */
class InvalidSecretError extends Error {}

/**
 * GETs a secret, which can be done only once.
 * @throws {DaemonError} FAILED_PRECONDITION, which neither names the URL nor has a cause that does:
 *   the URL may itself be the secret
 */
export async function fetchSecret(
  url: string,
  gate: EgressProxy,
  signal: AbortSignal,
): Promise<Login> {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  try {
    return parse(await getText(url, gate, AbortSignal.any([signal, limit])));
  } catch (error) {
    signal.throwIfAborted();
    const why = limit.aborted ? "its server took too long" : reasonOf(error);
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot get the one-time secret (auth_ots): ${why}`,
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

async function getText(url: string, gate: EgressProxy, signal: AbortSignal): Promise<string> {
  using client = new HttpClient(gate);
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

/** Whether a login's part can be given to Git, which takes them a line each. */
export function isOneLine(text: string): boolean {
  return !/[\r\n\0]/.test(text);
}
