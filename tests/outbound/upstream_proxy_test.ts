/** Connections through the proxy of the network around the node. */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { isAddressRange } from "../../src/address.ts";
import { systemClock } from "../../src/clock.ts";
import { DaemonError } from "../../src/errors.ts";
import { fetchSecret } from "../../src/initializer/one_time_secret.ts";
import { dial, OutboundRefused } from "../../src/outbound/dial.ts";
import { EgressProxy } from "../../src/outbound/egress_proxy.ts";
import { HttpClient } from "../../src/outbound/http.ts";
import {
  isDirect,
  readProxyCredentials,
  type UpstreamProxy,
} from "../../src/outbound/upstream_proxy.ts";
import { type ProxyAnswer, startConnectProxy } from "../fixtures/connect_proxy.ts";
import { testFolder } from "../fixtures/folder.ts";

const RULES = { allowLoopback: false, allowHosts: [], denyHosts: [] };

/** An address that is nobody's (RFC 5737): only a proxy can lead from there to anywhere. */
const HOST = "203.0.113.7";

const never = new AbortController().signal;

function upstream(
  { host, port }: { host: string; port: number },
  more: Partial<UpstreamProxy> = {},
): UpstreamProxy {
  return { host, port, connectBy: "address", exceptions: [], ...more };
}

/** A server of one text. */
function serve(text: string) {
  const seen: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    seen.push(url);
    return new Response(text);
  });
  return {
    port: (server.addr as Deno.NetAddr).port,
    seen,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("a request goes by CONNECT to the address that was checked, with the proxy's login", async () => {
  await using proxy = await startConnectProxy();
  await using server = serve("hello");
  using egress = new EgressProxy(RULES, {
    proxy: upstream(proxy, { credentials: "wsdaemon:s3cret" }),
  });
  using client = new HttpClient(egress);
  const response = await client.get(`http://${HOST}:${server.port}/file`, { signal: never });
  assertEquals(await response.text(), "hello");
  assertEquals(server.seen, [`http://${HOST}:${server.port}/file`]);
  assertEquals(proxy.asked, [`${HOST}:${server.port}`]);
  assert(proxy.heads[0]!.includes(`\r\nProxy-Authorization: Basic ${btoa("wsdaemon:s3cret")}`));
});

Deno.test("what the rules refuse is not even asked of the proxy", async () => {
  await using proxy = await startConnectProxy();
  const to = upstream(proxy, { connectBy: "name" });
  const refused: [string, Partial<typeof RULES> & { denyHosts?: string[] }][] = [
    ["169.254.169.254", {}],
    ["fd00:ec2::254", {}],
    ["localhost", {}],
    [HOST, { denyHosts: [HOST] } as never],
  ];
  for (const [host, rules] of refused) {
    await assertRejects(
      () => dial({ ...RULES, ...rules }, host, 80, never, to),
      OutboundRefused,
      host,
    );
  }
  assertEquals(proxy.heads, []);
});

Deno.test("this machine and the exceptions are reached without the proxy", async () => {
  const address = { host: "proxy", port: 1 };
  const exceptions = ["*.corp.test", "10.0.0.0/8", "fd12::/16", "192.0.2.1", "plain.test"];
  const proxy = upstream(address, { exceptions });
  const direct = (host: string, address = host) => isDirect(proxy, host, address);
  for (
    const [host, address] of [
      ["git.corp.test", "198.51.100.1"],
      ["plain.test", "198.51.100.1"],
      ["other.test", "10.200.0.1"],
      ["other.test", "::ffff:10.200.0.1"],
      ["[fd12:1::2]", "fd12:1::2"],
      ["192.0.2.1", "192.0.2.1"],
      ["localhost", "127.0.0.1"],
    ]
  ) assert(direct(host!, address), `${host} at ${address}`);
  for (
    const [host, address] of [
      ["corp.test.evil.test", "198.51.100.1"],
      ["other.test", "11.0.0.1"],
      ["other.test", "fd13::1"],
      ["192.0.2.2", "192.0.2.2"],
    ]
  ) assert(!direct(host!, address), `${host} at ${address}`);
  for (const text of ["10.0.0.0/8", "::/0", "192.0.2.1/32"]) assert(isAddressRange(text), text);
  for (const text of ["10.0.0.0/33", "::/129", "a/8", "10.0.0.0/", "10.0.0.0/8/8"]) {
    assert(!isAddressRange(text), text);
  }

  await using refusing = await startConnectProxy(() => "HTTP/1.1 403 Forbidden\r\n\r\n");
  await using server = serve("direct");
  using egress = new EgressProxy({ ...RULES, allowLoopback: true }, { proxy: upstream(refusing) });
  using client = new HttpClient(egress);
  const response = await client.get(`http://127.0.0.1:${server.port}/`, { signal: never });
  assertEquals(await response.text(), "direct");
});

const FAILURES: readonly [answer: string, isRefusal: boolean, words: string][] = [
  ["HTTP/1.1 403 Forbidden\r\n\r\n", true, `it answered 403 Forbidden to CONNECT ${HOST}:80`],
  ["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", true, "it answered 407 Proxy"],
  ["HTTP/1.1 503 Busy\r\n\r\n", false, "it answered 503 Busy"],
  ["SSH-2.0-OpenSSH\r\n\r\n", false, "it does not speak HTTP"],
  ["", false, "it closed the connection"],
  [`HTTP/1.1 200 OK\r\nx: ${"y".repeat(20_000)}`, false, "its answer has no end"],
];

Deno.test("a proxy that does not connect is named, and refusals are told from failures", async () => {
  for (const [answer, isRefusal, words] of FAILURES) {
    await using proxy = await startConnectProxy(() => answer);
    const error = await assertRejects(
      () => dial(RULES, HOST, 80, never, upstream(proxy)),
      DaemonError,
      `the proxy 127.0.0.1:${proxy.port} (net.proxy) does not connect: ${words}`,
    );
    assertEquals(error instanceof OutboundRefused, isRefusal, answer);
    if (!isRefusal) assertEquals(error.code, "UNAVAILABLE");
  }
  const gone = await startConnectProxy();
  await gone[Symbol.asyncDispose]();
  const error = await assertRejects(
    () => dial(RULES, HOST, 80, never, upstream(gone)),
    DaemonError,
    "(net.proxy) cannot be reached",
  );
  assertEquals(error.code, "UNAVAILABLE");
});

Deno.test("what a host says at once, with the proxy's answer, is not lost", async () => {
  const answer = "HTTP/1.0 200 OK\r\n\r\nSSH-2.0-greeting";
  await using proxy = await startConnectProxy(() => answer);
  const socket = await dial(RULES, HOST, 22, never, upstream(proxy));
  let text = "";
  for await (const chunk of socket) text += chunk;
  assertEquals(text, "SSH-2.0-greeting");
});

/** Fetches a secret through a proxy that answers so. */
async function secretThrough(answer: ProxyAnswer, port: number) {
  await using proxy = await startConnectProxy(answer);
  using egressProxy = new EgressProxy(RULES, { proxy: upstream(proxy) });
  const clock = { ...systemClock, sleep: () => Promise.resolve() };
  try {
    const login = await fetchSecret(`http://${HOST}:${port}/ots`, { egressProxy, clock }, never);
    return { login, asked: proxy.asked.length };
  } catch (error) {
    assertInstanceOf(error, DaemonError);
    return { error: error.message, asked: proxy.asked.length };
  }
}

Deno.test("a one-time secret is asked for again while its server cannot be connected to, and only then", async () => {
  await using server = serve("jane:hunter2");
  const unavailable = "HTTP/1.1 503 Busy\r\n\r\n";
  const busyTwice = (asked: number) => asked < 3 ? unavailable : undefined;
  assertEquals(await secretThrough(busyTwice, server.port), {
    login: { username: "jane", password: "hunter2" },
    asked: 3,
  });
  assertEquals(server.seen.length, 1);
  const refused = await secretThrough(() => "HTTP/1.1 403 Forbidden\r\n\r\n", server.port);
  assertEquals(refused.asked, 1);
  const never = await secretThrough(() => unavailable, server.port);
  assertEquals([never.asked, never.error!.includes("cannot be reached")], [6, true]);
  // Connected to, and then silent: the request may have been answered, so it is not sent again.
  const cut = await secretThrough(() => "HTTP/1.1 200 OK\r\n\r\n", server.port);
  assertEquals([cut.asked, cut.error!.includes("cannot be reached")], [1, true]);
});

Deno.test("the proxy's credentials are one line, and never repeated in a message", () => {
  using folder = testFolder();
  const path = join(folder.path, "credentials");
  Deno.writeTextFileSync(path, "user:pass:word\n");
  assertEquals(readProxyCredentials(path), "user:pass:word");
  for (const text of ["", "no-colon-secret", "user:secret\nmore\n", ":secret"]) {
    Deno.writeTextFileSync(path, text);
    try {
      readProxyCredentials(path);
      assert(false, "no error");
    } catch (error) {
      assertInstanceOf(error, DaemonError);
      assert(!error.message.includes("secret"), error.message);
    }
  }
});
