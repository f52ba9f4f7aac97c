import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connect } from "node:tls";
import type { ListenAddress } from "../../src/address.ts";
import { DaemonError } from "../../src/errors.ts";
import type { TlsMaterial } from "../../src/rpc/tls.ts";
import { temporaryFolder, TestServer } from "./fixture.ts";
import { answers, serve, tlsTest } from "./tls_fixture.ts";

/** The name in the certificate that a new connection is shown. */
function shownName(address: ListenAddress, ca: Uint8Array): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  if (address.kind !== "tcp") throw new TypeError("not TCP");
  const socket = connect({
    host: address.host,
    port: address.port,
    ca: new TextDecoder().decode(ca),
  });
  socket.on("error", reject);
  socket.on("secureConnect", () => {
    const { CN } = socket.getPeerCertificate().subject;
    resolve(String(CN));
    socket.destroy();
  });
  return promise;
}

tlsTest("TLS serves clients that trust the authority, and no others", async ({ ca, server }) => {
  await using tls = await serve(server);
  assertEquals(await answers(tls, { ca }), true);
  assertEquals(await answers(tls, {}), false);
  assertEquals(await answers(tls), false);
});

tlsTest("mTLS serves clients with a certificate of the authority, and no others", async (all) => {
  const { ca, server, client, untrusted } = all;
  await using mutual = await serve({ ...server, clientCa: ca });
  assertEquals(await answers(mutual, { ca, ...client }), true);
  assertEquals(await answers(mutual, { ca }), false);
  assertEquals(await answers(mutual, { ca, ...untrusted }), false);
  assertEquals(await answers(mutual), false);
});

tlsTest("with TLS, a TCP address open to others is served", async ({ ca, server }) => {
  await using tls = await serve(server, ["0.0.0.0:0"]);
  const port = tls.address().split(":")[1];
  assertEquals(tls.address(), `0.0.0.0:${port}`);
  using client = tls.client({ ca, serverName: "localhost" });
  assertEquals(await client.isWorkspaceExists("a"), true);
});

tlsTest("with TLS, a unix socket is served in the clear beside it", async ({ server }) => {
  await using folder = await temporaryFolder();
  await using tls = await serve(server, [`unix://${folder.path}/s`]);
  assertEquals(await answers(tls), true);
});

tlsTest("new connections see a replaced certificate, and mTLS stays in force", async (all) => {
  const { ca, server, renewed, client } = all;
  await using mutual = await serve({ ...server, clientCa: ca });
  mutual.rpc.replaceTls({ ...renewed, clientCa: ca });
  assertEquals(await answers(mutual, { ca, ...client }), true);
  assertEquals(await answers(mutual, { ca }), false);
  await using plain = await TestServer.start({}, {
    tls: server,
    operationsListen: ["127.0.0.1:0"],
  });
  const addresses = [...plain.rpc.addresses, ...plain.rpc.operationsAddresses];
  assertEquals(addresses.length, 2);
  for (const address of addresses) assertEquals(await shownName(address, ca), "server");
  plain.rpc.replaceTls(renewed);
  for (const address of addresses) assertEquals(await shownName(address, ca), "renewed");
});

tlsTest("a replacement that cannot be used is refused, and the old one serves on", async (all) => {
  const { ca, server, renewed, expired } = all;
  await using tls = await serve(server);
  const bad: [TlsMaterial, string][] = [
    [expired, "expired on"],
    [{ cert: renewed.cert, key: server.key }, "tls.key does not belong"],
    [{ ...renewed, clientCa: ca }, "restart instead"],
  ];
  for (const [material, why] of bad) {
    assertThrows(() => tls.rpc.replaceTls(material), DaemonError, why);
  }
  assertEquals(await shownName(tls.rpc.addresses[0]!, ca), "server");
});

tlsTest("certificates that cannot be used stop the start, naming which", async (all) => {
  const { server, client, expired } = all;
  const junk = new TextEncoder().encode("-----BEGIN CERTIFICATE-----\nAAAA\n");
  const encrypted = new TextEncoder().encode("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n");
  const bad: [TlsMaterial, string][] = [
    [{ ...server, cert: junk }, "tls.cert holds no certificate"],
    [{ ...server, key: junk }, "tls.key holds no private key"],
    [{ ...server, clientCa: junk }, "tls.clientCa holds no certificate"],
    [{ cert: server.cert, key: client.key }, "tls.key does not belong to the certificate tls.cert"],
    [expired, "tls.cert, the certificate of CN=expired, expired on"],
    [{ ...server, clientCa: expired.cert }, "tls.clientCa, the certificate of CN=expired, expired"],
    [{ ...server, key: encrypted }, "tls.key is encrypted: give a key without a passphrase"],
    [{ ...server, key: junk, files: { key: "/k.pem" } }, "tls.key (/k.pem) holds no private key"],
  ];
  for (const [material, why] of bad) {
    const error = await assertRejects(() => serve(material), DaemonError, why);
    assertEquals(error.code, "INVALID_ARGUMENT");
  }
});
