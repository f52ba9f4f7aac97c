import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DaemonError } from "../src/errors.ts";
import {
  type Address,
  formatAddress,
  isLocal,
  parseAddress,
  resolveAddress,
} from "../src/address.ts";

Deno.test("an address is the same after it was parsed and written again", () => {
  const addresses: [string, Address][] = [
    ["127.0.0.1:8080", { kind: "tcp", host: "127.0.0.1", port: 8080 }],
    ["localhost:0", { kind: "tcp", host: "localhost", port: 0 }],
    ["[::1]:65535", { kind: "tcp", host: "::1", port: 65535 }],
    ["unix:///run/wsdaemon.sock", { kind: "unix", path: "/run/wsdaemon.sock" }],
  ];
  for (const [text, address] of addresses) {
    assertEquals(parseAddress(text), address);
    assertEquals(formatAddress(address), text);
  }
});

Deno.test("a malformed address is refused, saying how one is written", () => {
  const refused: [string, string][] = [
    ["", "HOST:PORT"],
    ["8080", "HOST:PORT"],
    [":8080", "HOST:PORT"],
    ["host:", "HOST:PORT"],
    ["::1:8080", "HOST:PORT"],
    ["http://host:80", "HOST:PORT"],
    ["host:65536", "at most 65535"],
    ["[localhost]:80", "IPv6"],
    ["unix:run/x.sock", "unix:///absolute/path"],
    ["unix://run/x.sock", "unix:///absolute/path"],
    ["unix:///", "unix:///absolute/path"],
    [`unix:///${"x".repeat(107)}`, "107 bytes"],
  ];
  for (const [text, why] of refused) {
    const error = assertThrows(() => parseAddress(text), DaemonError, why);
    assertEquals(error.code, "INVALID_ARGUMENT");
  }
});

Deno.test("only loopback and unix sockets are local", () => {
  const local = ["127.0.0.1:1", "127.8.9.10:1", "[::1]:1", "[0:0:0:0:0:0:0:1]:1", "unix:///x"];
  const open = ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::2]:1", "127.example:1", "[fe80::1]:1"];
  for (const text of [...local, "[::ffff:127.0.0.1]:1"]) {
    assertEquals(isLocal(parseAddress(text)), true);
  }
  for (const text of [...open, "[::ffff:10.0.0.1]:1"]) {
    assertEquals(isLocal(parseAddress(text)), false);
  }
});

Deno.test("a name is resolved to one address, IPv4 where there is one", async () => {
  const resolved = await resolveAddress(parseAddress("localhost:80"));
  assertEquals(resolved, { kind: "tcp", host: "127.0.0.1", port: 80 });
});

Deno.test("a name that does not exist is refused, naming the address", async () => {
  const error = await assertRejects(
    () => resolveAddress(parseAddress("no-such-host.invalid:80")),
    DaemonError,
    "no-such-host.invalid:80",
  );
  assertEquals(error.code, "FAILED_PRECONDITION");
});
