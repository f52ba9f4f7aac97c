/** What an IP address leads to, as far as it decides whether the daemon may connect to it. */

import { isIP } from "node:net";

/** `metadata` covers link-local addresses too: that is where clouds serve credentials. */
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

/** IPv6 metadata services, as eight groups: AWS and Google. */
const V6_METADATA = new Set([
  "fd00:ec2:0:0:0:0:0:254",
  "fd20:ce:0:0:0:0:0:254",
]);

/**
 * The kind of an address in the usual notation; IPv6 forms that carry an IPv4 address (mapped,
 * compatible, NAT64, 6to4) count as that one. What is no address is `unusable`.
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

/** One spelling for each address, so that two can be compared; other text in lower case. */
export function canonicalAddress(text: string): string {
  const bare = text.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
  if (isIP(bare) !== 6) return bare.toLowerCase();
  const groups = groupsOf(bare);
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  return mapped
    ? dotted(groups[6]!, groups[7]!)
    : groups.map((group) => group.toString(16)).join(":");
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
  const [first] = groups as [number];
  if (groups.slice(0, 7).every((group) => group === 0) && groups[7] === 1) return "loopback";
  if ((first & 0xffc0) === 0xfe80) return "metadata";
  if ((first & 0xff00) === 0xff00) return "unusable";
  return V6_METADATA.has(groups.map((group) => group.toString(16)).join(":"))
    ? "metadata"
    : "other";
}

/** The IPv4 address that packets to an IPv6 address end at, where its form says so. */
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
  const zeros = [a, b, c, d, e].every((group) => group === 0);
  const mappedOrCompatible = zeros && (f === 0xffff || (f === 0 && (g !== 0 || h > 1 || h === 0)));
  const translated = a === 0x64 && b === 0xff9b;
  if (mappedOrCompatible || translated) return dotted(g, h);
  return a === 0x2002 ? dotted(b, c) : undefined;
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
}

function v4Number(address: string): number {
  return address.split(".").reduce((value, octet) => value * 256 + Number(octet), 0);
}

/** The eight 16-bit groups of a valid IPv6 address. */
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
