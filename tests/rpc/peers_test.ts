import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Metadata, type ServerInterceptingCallInterface } from "@grpc/grpc-js";
import { connect } from "node:tls";
import { ClientError } from "../../src/client/mod.ts";
import { currentCaller } from "../../src/operations/mod.ts";
import { Peers } from "../../src/rpc/peers.ts";
import { eventually } from "../fixtures/eventually.ts";
import { captureLogs } from "../fixtures/logs.ts";
import { temporaryFolder, TestServer } from "./fixture.ts";
import { tlsTest } from "./tls_fixture.ts";

/** Every id is the id of who asks for it. */
const WHO = {
  exists: () => {
    callers.push(currentCaller()?.identity);
    return true;
  },
};
const callers: (string | undefined)[] = [];

/** Waits until the logs have a text. @returns the last line with it */
async function logged(logs: { text: string }, text: string): Promise<string> {
  await eventually(() => assertStringIncludes(logs.text, text));
  return logs.text.split("\n").findLast((line) => line.includes(text))!;
}

tlsTest("a caller is named by the certificate that it shows", async ({ ca, server, client }) => {
  await using tls = await TestServer.start(WHO, { tls: { ...server, clientCa: ca } });
  using caller = tls.client({ ca, ...client });
  await caller.isWorkspaceExists("a");
  assertEquals(callers.pop(), "CN=client");
});

Deno.test("a caller on a unix socket is named by its user and process, whom the kernel is asked for once", async () => {
  await using folder = await temporaryFolder();
  const asked: number[] = [];
  const readPeerCredentials = (fd: number) => {
    asked.push(fd);
    return Promise.resolve({ pid: 4711, uid: 1000 });
  };
  await using server = await TestServer.start(WHO, {
    readPeerCredentials,
    listen: [`unix://${folder.path}/s`],
  });
  using caller = server.client();
  await caller.isWorkspaceExists("a");
  await caller.isWorkspaceExists("b");
  assertEquals(callers.splice(0), ["uid 1000, pid 4711", "uid 1000, pid 4711"]);
  assertEquals(asked.length, 1);
  assert(asked[0]! > 2);
});

Deno.test("a caller whom the kernel cannot name is served all the same", async () => {
  await using folder = await temporaryFolder();
  await using server = await TestServer.start(WHO, {
    readPeerCredentials: () => Promise.reject(new Error("gone")),
    listen: [`unix://${folder.path}/s`],
  });
  using caller = server.client();
  await caller.isWorkspaceExists("a");
  assertEquals(callers.pop(), undefined);
});

Deno.test("a caller whose connection has closed before the kernel's answer is nobody", async () => {
  const known = Promise.withResolvers<{ pid: number; uid: number }>();
  const peers = new Peers(() => known.promise);
  const handle: { fd: number } = { fd: 7 };
  const call = { stream: { session: { socket: { _handle: handle } } } };
  const peer = peers.of(call as unknown as ServerInterceptingCallInterface);
  const metadata = new Metadata();
  peers.note(metadata, peer);
  handle.fd = -1;
  known.resolve({ pid: 4711, uid: 1000 });
  assertEquals((await peers.ofCall(metadata))?.identity, undefined);
});

Deno.test("a request that is too large is counted and logged as that", async () => {
  using logs = captureLogs();
  await using server = await TestServer.start({}, { limits: { maxMessageBytes: 1000 } });
  using client = server.client();
  const code = await client.isWorkspaceExists("a".repeat(5000)).catch((error) =>
    error instanceof ClientError ? error.code : error
  );
  assertEquals(code, "RESOURCE_EXHAUSTED");
  const line = await logged(logs, "IsWorkspaceExists");
  assertMatch(line, /RESOURCE_EXHAUSTED.* in \d+ ms: .*larger than max \(\d+ vs 1000\)/);
  const counts = (await server.metrics.text()).split("\n")
    .filter((text) => text.startsWith("wsdaemon_grpc_calls_total{"));
  assertEquals(counts.length, 1, counts.join("\n"));
  assertStringIncludes(counts[0]!, 'code="RESOURCE_EXHAUSTED"} 1');
});

tlsTest(
  "a TLS handshake that fails is counted and logged with what is known of why",
  async (all) => {
    using logs = captureLogs();
    const { ca, server } = all;
    await using tls = await TestServer.start({}, { tls: { ...server, clientCa: ca } });
    const [, port] = tls.address().split(":");

    const plain = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    await plain.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
    const line = await logged(logs, "it does not speak TLS");
    assertMatch(line, /\[WRN\].*A TLS handshake with .*127\.0\.0\.1:\d+.* failed/);
    plain.close();

    const bare = connect({ port: Number(port), ca: new TextDecoder().decode(ca) });
    bare.on("error", () => {});
    await logged(logs, "it showed no certificate");
    bare.destroy();
    const text = await tls.metrics.text();
    for (const reason of ["not_tls", "no_certificate"]) {
      assertStringIncludes(text, `wsdaemon_tls_handshake_failures_total{reason="${reason}"} 1`);
    }
  },
);
