import { type EgressProxy, resolveChecked } from "../outbound/mod.ts";
import type { Remote } from "./remote.ts";

/** Returns whether remotes of that protocol are reached through the egress proxy, or not by network. */
export function usesEgressProxy(protocol: string): boolean {
  return /^(?:https?|file)$/.test(protocol);
}

/**
 * Checks the host of a remote that git would reach without the egress proxy.
 * @throws {DaemonError} FAILED_PRECONDITION where the rules forbid the host
 */
export async function checkHost(
  egressProxy: EgressProxy,
  { host, protocol }: Pick<Remote, "host" | "protocol">,
): Promise<void> {
  if (host === undefined || usesEgressProxy(protocol)) return;
  await resolveChecked(egressProxy.rules, host);
}
