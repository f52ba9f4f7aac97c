import { assertEquals, assertStringIncludes } from "@std/assert";
import { type AddressKind, canonicalAddress, classifyAddress } from "../../src/outbound/address.ts";
import { type OutboundRules, refusal } from "../../src/outbound/policy.ts";

const KINDS: readonly (readonly [AddressKind, readonly string[]])[] = [
  ["loopback", [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "::1",
    "::",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "64:ff9b::127.0.0.1",
    "2002:7f00:1::",
    "::ffff:0:127.0.0.1",
    "::ffff:0:7f00:1",
  ]],
  ["metadata", [
    "169.254.169.254",
    "169.254.0.1",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "::ffff:0:169.254.169.254",
    "fec0::1",
    "feff::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd00:ec2:1::1",
    "fd00:42::42",
    "fd20:ce::254",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
  ]],
  ["unusable", [
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "ff02::1",
    "example.com",
    "",
    "1.2.3",
  ]],
  ["other", [
    "1.1.1.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "169.255.0.0",
    "223.255.255.255",
    "2606:4700::1111",
    "fd00::1",
    "fd00:ec1:ffff::1",
    "fd00:ec3::1",
    "fd00:42::43",
    "64:ff9b::1.1.1.1",
    "::fffe:0:127.0.0.1",
    "::2:0:1:1",
  ]],
];

Deno.test("addresses are of the kind that they lead to", async (t) => {
  for (const [kind, addresses] of KINDS) {
    for (const address of addresses) {
      await t.step(`${address} is ${kind}`, () => assertEquals(classifyAddress(address), kind));
    }
  }
});

Deno.test("canonical addresses have one spelling", () => {
  assertEquals(canonicalAddress("[2001:DB8:0::1]"), canonicalAddress("2001:db8::0:1"));
  for (const form of ["::ffff:10.0.0.1", "::ffff:0:a00:1", "64:ff9b::a00:1", "2002:a00:1::5"]) {
    assertEquals(canonicalAddress(form), "10.0.0.1");
  }
  assertEquals(canonicalAddress("::1"), "0:0:0:0:0:0:0:1");
  assertEquals(canonicalAddress("Example.COM"), "example.com");
});

const OPEN: OutboundRules = { allowLoopback: false, allowHosts: [], denyHosts: [] };

Deno.test("rules refuse by host and by address, and say by which rule", () => {
  const cases: [Partial<OutboundRules>, string, string, string | undefined][] = [
    [{}, "example.com", "93.184.216.34", undefined],
    [{}, "evil.example", "169.254.169.254", "metadata"],
    [{ allowLoopback: true }, "x", "169.254.169.254", "metadata"],
    [{ allowHosts: ["169.254.169.254"] }, "169.254.169.254", "169.254.169.254", "metadata"],
    [{}, "localhost", "127.0.0.1", "net.allowLoopback"],
    [{ allowLoopback: true }, "localhost", "127.0.0.1", undefined],
    [{ denyHosts: ["example.com"] }, "EXAMPLE.com.", "1.1.1.1", "net.denyHosts"],
    [{ denyHosts: ["*.example.com"] }, "a.b.example.com", "1.1.1.1", "net.denyHosts"],
    [{ denyHosts: ["*.example.com"] }, "badexample.com", "1.1.1.1", undefined],
    [{ denyHosts: ["*.example.com"] }, "example.com", "1.1.1.1", undefined],
    [{ denyHosts: ["10.0.0.1"] }, "intranet", "10.0.0.1", "net.denyHosts"],
    [{ denyHosts: ["10.0.0.1"] }, "intranet", "::ffff:10.0.0.1", "net.denyHosts"],
    [{ denyHosts: ["10.0.0.1"] }, "intranet", "64:ff9b::10.0.0.1", "net.denyHosts"],
    [{ allowHosts: ["example.com"] }, "example.com", "1.1.1.1", undefined],
    [{ allowHosts: ["example.com"] }, "example.org", "1.1.1.1", "net.allowHosts"],
    [{ allowHosts: ["*.example.com"] }, "git.example.com", "1.1.1.1", undefined],
    [{ allowHosts: ["x"], denyHosts: ["x"] }, "x", "1.1.1.1", "net.denyHosts"],
    [{}, "x", "224.0.0.1", "not an address to connect to"],
  ];
  for (const [changed, host, address, why] of cases) {
    const refused = refusal({ ...OPEN, ...changed }, host, address);
    if (why === undefined) assertEquals(refused, undefined, `${host} at ${address}`);
    else assertStringIncludes(refused ?? "(allowed)", why);
  }
});
