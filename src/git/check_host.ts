import { type EgressProxy, resolveChecked } from "../outbound/mod.ts";
import type { Remote } from "./remote.ts";

/** Whether the gate sees each connection to a remote of that protocol, or there is none. */
export function usesEgressProxy(protocol: string): boolean {
  return /^(?:https?|file)$/.test(protocol);
}

/** @throws {DaemonError} where git would reach the remote's host by itself, and it is out of bounds */
export async function checkHost(
  gate: EgressProxy,
  { host, protocol }: Pick<Remote, "host" | "protocol">,
): Promise<void> {
  if (host === undefined || usesEgressProxy(protocol)) return;
  await resolveChecked(gate.rules, host);
}
