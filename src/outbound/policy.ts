/** Decides which hosts and addresses may be reached. */

import { canonicalAddress, classifyAddress } from "./address.ts";

/** The config's section `net`. A host is a name, `*.domain` or an IP address. */
export interface OutboundRules {
  /** Whether this machine may be reached. */
  allowLoopback: boolean;
  /** The only hosts that may be reached; all where empty. */
  allowHosts: readonly string[];
  /** Hosts that may not be reached, whatever `allowHosts` says. */
  denyHosts: readonly string[];
}

/**
 * Returns why `host` at `address` may not be reached, as a message; `undefined` where it may.
 * @param host as it was asked for: a name or an address
 * @param address what it resolved to
 */
export function refusal(rules: OutboundRules, host: string, address: string): string | undefined {
  const kind = classifyAddress(address);
  const where = canonicalAddress(host) === canonicalAddress(address)
    ? address
    : `${host} (${address})`;
  if (kind === "metadata") {
    return `${where} is a link-local or metadata address, which may never be reached`;
  }
  if (kind === "unusable") return `${where} is not an address to connect to`;
  if (kind === "loopback" && !rules.allowLoopback) {
    return `${where} is this machine, which may be reached only with net.allowLoopback`;
  }
  const matches = (pattern: string) =>
    matchesHost(pattern, host) || canonicalAddress(pattern) === canonicalAddress(address);
  if (rules.denyHosts.some(matches)) return `${where} is denied by net.denyHosts`;
  if (rules.allowHosts.length > 0 && !rules.allowHosts.some(matches)) {
    return `${where} is not among net.allowHosts`;
  }
  return undefined;
}

/** Returns whether a host is that of a pattern: a name, `*.domain` or an IP address. */
export function matchesHost(pattern: string, host: string): boolean {
  const canonical = canonicalAddress(pattern).replace(/\.$/, "");
  const name = canonicalAddress(host).replace(/\.$/, "");
  return canonical.startsWith("*.") ? name.endsWith(canonical.slice(1)) : name === canonical;
}
