/** Classifies IP addresses by what is reached there. */

import { isIP } from "node:net";

/** What is reached at an address. `metadata` includes link-local ones, where clouds serve credentials. */
export type AddressKind = "loopback" | "metadata" | "unusable" | "other";

/** IPv4 ranges as `[first octets, prefix length, kind]`. */
const V4_RANGES: readonly (readonly [string, number, AddressKind])[] = [
  // Linux takes 0.0.0.0 for this machine.
  ["0.0.0.0", 8, "loopback"],
  ["127.0.0.0", 8, "loopback"],
  ["169.254.0.0", 16, "metadata"],
  // Alibaba, Oracle and Azure serve metadata outside the link-local range.
  ["100.100.100.200", 32, "metadata"],
  ["192.0.0.192", 32, "metadata"],
  ["168.63.129.16", 32, "metadata"],
  ["224.0.0.0", 3, "unusable"],
];

/** IPv6 ranges in the same way. */
const V6_RANGES: readonly (readonly [string, number, AddressKind])[] = [
  ["::1", 128, "loopback"],
  ["fe80::", 10, "metadata"],
  // Site-local: what link-local was to grow into, and as private to the network.
  ["fec0::", 10, "metadata"],
  // AWS keeps all of its instance's services in here; Google and Scaleway have one address each.
  ["fd00:ec2::", 32, "metadata"],
  ["fd20:ce::254", 128, "metadata"],
  ["fd00:42::42", 128, "metadata"],
  ["ff00::", 8, "unusable"],
];

/**
 * Returns the kind of an address in text form. IPv6 forms that embed an IPv4 address (mapped, translated,
 * compatible, NAT64, 6to4) have that one's. What is no address is `unusable`.
 */
export function classifyAddress(address: string): AddressKind {
  const bare = address.replace(/%.*$/, "");
  switch (isIP(bare)) {
    case 4:
      return classifyV4(bare);
    case 6:
      return classifyV6(groupsOf(bare));
    default:
      return "unusable";
  }
}

/**
 * Returns one spelling for each address, so that two can be compared: that of the IPv4 address for IPv6
 * forms that embed one. Other text is returned in lower case.
 */
export function canonicalAddress(text: string): string {
  const bare = text.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
  if (isIP(bare) !== 6) return bare.toLowerCase();
  const groups = groupsOf(bare);
  return embeddedV4(groups) ?? groups.map((group) => group.toString(16)).join(":");
}

function classifyV4(address: string): AddressKind {
  const value = v4Number(address);
  const hit = V4_RANGES.find(([base, length]) =>
    (value >>> (32 - length)) === (v4Number(base) >>> (32 - length))
  );
  return hit?.[2] ?? "other";
}

function classifyV6(groups: readonly number[]): AddressKind {
  const embedded = embeddedV4(groups);
  if (embedded !== undefined) return classifyV4(embedded);
  const value = v6Number(groups);
  const hit = V6_RANGES.find(([base, length]) => {
    const rest = BigInt(128 - length);
    return value >> rest === v6Number(groupsOf(base)) >> rest;
  });
  return hit?.[2] ?? "other";
}

/** Returns the IPv4 address that an IPv6 address embeds, if any. */
function embeddedV4(groups: readonly number[]): string | undefined {
  const [a, b, c, d, e, f, g, h] = groups as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if ([a, b, c, d].every((group) => group === 0)) {
    const mapped = e === 0 && f === 0xffff;
    const translated = e === 0xffff && f === 0;
    const compatible = e === 0 && f === 0 && (g !== 0 || h !== 1);
    if (mapped || translated || compatible) return dotted(g, h);
  }
  if (a === 0x64 && b === 0xff9b) return dotted(g, h);
  return a === 0x2002 ? dotted(b, c) : undefined;
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
}

function v4Number(address: string): number {
  return address.split(".").reduce((value, octet) => value * 256 + Number(octet), 0);
}

function v6Number(groups: readonly number[]): bigint {
  return groups.reduce((value, group) => value << 16n | BigInt(group), 0n);
}

/** Returns the eight 16-bit groups of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...octets: string[]) => {
    const [a, b, c, d] = octets.map(Number) as [number, number, number, number];
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = "", tail] = hex.split("::");
  const parse = (part: string) => part === "" ? [] : part.split(":").map((g) => parseInt(g, 16));
  const before = parse(head);
  const after = tail === undefined ? [] : parse(tail);
  const gap = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...new Array<number>(gap).fill(0), ...after];
}
