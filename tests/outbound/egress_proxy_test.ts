import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { EgressProxy } from "../../src/outbound/egress_proxy.ts";
import { dial, OutboundRefused } from "../../src/outbound/dial.ts";
import { systemClock } from "../../src/clock.ts";
import { DaemonError } from "../../src/errors.ts";
import { OperationRegistry } from "../../src/operations/mod.ts";

const OPEN = { allowLoopback: true, allowHosts: [], denyHosts: [] };

/** Echoes what it is sent, until it is sent no more. */
function echoServer(): Disposable & { port: number; connections: number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const state = {
    port: listener.addr.port,
    connections: 0,
    [Symbol.dispose]: () => listener.close(),
  };
  void (async () => {
    for await (const connection of listener) {
      state.connections++;
      void connection.readable.pipeTo(connection.writable).catch(() => {});
    }
  })();
  return state;
}

/** Speaks SOCKS5 with the proxy. @returns the connection, and what the proxy replied */
async function connectThrough(
  proxyUrl: string,
  target: { host?: string; address?: number[]; port: number },
  password = new URL(proxyUrl).password,
): Promise<{ connection: Deno.TcpConn; reply: number | undefined }> {
  const encode = (text: string) => [...new TextEncoder().encode(text)];
  const connection = await Deno.connect({
    hostname: "127.0.0.1",
    port: Number(new URL(proxyUrl).port),
  });
  const ask = async (...bytes: number[]) => {
    await connection.write(Uint8Array.from(bytes));
    const answer = new Uint8Array(64);
    const length = await connection.read(answer);
    return answer.subarray(0, length ?? 0);
  };
  assertEquals([...await ask(5, 2, 0, 2)], [5, 2]);
  const secret = encode(password);
  const [, refused] = await ask(1, 4, ...encode("pass"), secret.length, ...secret);
  if (refused !== 0) return { connection, reply: undefined };
  const to = target.address
    ? [target.address.length === 4 ? 1 : 4, ...target.address]
    : [3, target.host!.length, ...encode(target.host!)];
  const reply = await ask(5, 1, 0, ...to, target.port >> 8, target.port & 0xff);
  return { connection, reply: reply[1] };
}

Deno.test("egress proxy carries bytes both ways for who has a session", async () => {
  using proxy = new EgressProxy(OPEN);
  using session = proxy.openSession();
  using echo = echoServer();
  const v6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];
  for (const to of [{ host: "localhost" }, { address: [127, 0, 0, 1] }, { address: v6 }]) {
    const { connection, reply } = await connectThrough(session.proxyUrl, {
      ...to,
      port: echo.port,
    });
    assertEquals(reply, 0);
    const sent = crypto.getRandomValues(new Uint8Array(60_000));
    const sending = (async () => {
      for (let at = 0; at < sent.length;) at += await connection.write(sent.subarray(at));
      await connection.closeWrite();
    })();
    const back = new Uint8Array(await new Response(connection.readable).arrayBuffer());
    await sending;
    assertEquals(back, sent);
  }
  assertEquals(session.refusals, []);
});

Deno.test("what comes through a session counts for the operation that opened it", async () => {
  using proxy = new EgressProxy(OPEN);
  using echo = echoServer();
  const operations = new OperationRegistry(systemClock);
  await operations.run({ kind: "git" }, async ({ progress }) => {
    using session = proxy.openSession();
    const to = { host: "localhost", port: echo.port };
    const { connection } = await connectThrough(session.proxyUrl, to);
    await connection.write(new Uint8Array(700));
    await connection.closeWrite();
    await new Response(connection.readable).arrayBuffer();
    assertEquals(progress.read().transferredBytes, 700);
  });
});

Deno.test("egress proxy lets nobody through without a session that is open", async () => {
  using proxy = new EgressProxy(OPEN);
  using echo = echoServer();
  const spent = proxy.openSession();
  const { proxyUrl } = spent;
  spent[Symbol.dispose]();
  for (const password of [new URL(proxyUrl).password, "guess"]) {
    const { connection, reply } = await connectThrough(
      proxyUrl,
      { host: "127.0.0.1", port: echo.port },
      password,
    );
    assertEquals(reply, undefined);
    connection.close();
  }
  assertEquals(echo.connections, 0);
});

Deno.test("egress proxy refuses by the rules, and tells the session's owner why", async () => {
  using proxy = new EgressProxy({ ...OPEN, allowLoopback: false });
  using session = proxy.openSession();
  using echo = echoServer();
  const { connection, reply } = await connectThrough(session.proxyUrl, {
    host: "localhost",
    port: echo.port,
  });
  connection.close();
  assertEquals(reply, 2);
  assertEquals(echo.connections, 0);
  assertStringIncludes(session.refusals[0]!, "localhost (127.0.0.1) is this machine");
});

Deno.test("egress proxy tells failures apart from refusals", async () => {
  using proxy = new EgressProxy(OPEN);
  using session = proxy.openSession();
  const { connection, reply } = await connectThrough(session.proxyUrl, {
    host: "no-such-host.invalid",
    port: 80,
  });
  connection.close();
  assertEquals(reply, 4);
  assertEquals(session.refusals, []);
  assertStringIncludes(session.failures[0]!, "could not resolve the host no-such-host.invalid");
  session.reset();
  assertEquals(session.failures, []);
});

Deno.test("egress proxy ends a session's connections with it", async () => {
  using proxy = new EgressProxy(OPEN);
  const session = proxy.openSession();
  using echo = echoServer();
  const { connection } = await connectThrough(session.proxyUrl, {
    host: "127.0.0.1",
    port: echo.port,
  });
  session[Symbol.dispose]();
  const end = await connection.read(new Uint8Array(1)).catch(() => null);
  assertEquals(end, null);
  connection.close();
});

Deno.test("egress proxy survives clients that speak something else", async () => {
  using proxy = new EgressProxy(OPEN);
  using session = proxy.openSession();
  const port = Number(new URL(session.proxyUrl).port);
  for (const greeting of ["GET / HTTP/1.1\r\n\r\n", "\x04\x01", "\x05\x01\x00", ""]) {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    if (greeting) await connection.write(new TextEncoder().encode(greeting));
    await connection.closeWrite();
    await new Response(connection.readable).arrayBuffer().catch(() => {});
  }
  using echo = echoServer();
  const { connection, reply } = await connectThrough(session.proxyUrl, {
    host: "127.0.0.1",
    port: echo.port,
  });
  connection.close();
  assertEquals(reply, 0);
});

Deno.test("dial connects to nothing that it did not check", async () => {
  using echo = echoServer();
  const { signal } = new AbortController();
  const socket = await dial(OPEN, "localhost", echo.port, signal);
  assertEquals(socket.remoteAddress, "127.0.0.1");
  socket.destroy();
  const strict = { ...OPEN, allowLoopback: false };
  await assertRejects(() => dial(strict, "localhost", echo.port, signal), OutboundRefused);
  const closed = echoServer();
  const { port } = closed;
  closed[Symbol.dispose]();
  const error = await assertRejects(() => dial(OPEN, "127.0.0.1", port, signal), DaemonError);
  assertEquals(error.code, "UNAVAILABLE");
  assert(!(error instanceof OutboundRefused));
});
