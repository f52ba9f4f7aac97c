import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { temporaryFolder, TestServer } from "./fixture.ts";

async function refusal(listen: string[], code = "FAILED_PRECONDITION"): Promise<string> {
  const error = await assertRejects(() => TestServer.start({}, { listen }), DaemonError);
  assertEquals(error.code, code);
  assertEquals(error.message.includes("\n"), false);
  return error.message;
}

/** Leaves a socket at `path` that no one listens on, as a killed server does. */
async function leaveStaleSocket(path: string): Promise<void> {
  const listen = `Deno.listen({ transport: "unix", path: ${
    JSON.stringify(path)
  } }); Deno.kill(Deno.pid, "SIGKILL");`;
  await new Deno.Command(Deno.execPath(), { args: ["eval", listen], stderr: "null" }).output();
  assertEquals((await Deno.lstat(path)).isSocket, true);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

Deno.test("a server answers on all its addresses, IPv4, IPv6 and a unix socket", async () => {
  await using folder = await temporaryFolder();
  const socket = `unix://${join(folder.path, "s")}`;
  const listen = ["127.0.0.1:0", "[::1]:0", "localhost:0", socket];
  await using server = await TestServer.start({ exists: () => true }, { listen });
  assertEquals(server.rpc.addresses.length, 4);
  assertMatch(server.address(0), /^127\.0\.0\.1:[1-9]\d*$/);
  assertMatch(server.address(1), /^\[::1\]:[1-9]\d*$/);
  assertMatch(server.address(2), /^127\.0\.0\.1:[1-9]\d*$/);
  assertEquals(server.address(3), socket);
  for (const index of listen.keys()) {
    using client = server.client(undefined, index);
    assertEquals(await client.isWorkspaceExists("a"), true);
  }
});

Deno.test({
  name: "a unix socket has the mode and the group that it is given",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "s");
    await using _server = await TestServer.start({}, {
      listen: [`unix://${path}`],
      unixSocket: { mode: 0o620, gid: 4242 },
    });
    const { mode, gid } = Deno.statSync(path);
    assertEquals([mode! & 0o777, gid], [0o620, 4242]);
  },
});

Deno.test("a unix socket is closed to other users, and gone when the server has stopped", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "s");
  await using server = await TestServer.start({}, { listen: [`unix://${path}`] });
  assertEquals((await Deno.lstat(path)).mode! & 0o777, 0o660);
  await server.rpc.stop(0);
  assertEquals(await exists(path), false);
});

Deno.test("a socket that a killed server left is replaced", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "s");
  await leaveStaleSocket(path);
  await using server = await TestServer.start({ exists: () => true }, {
    listen: [`unix://${path}`],
  });
  using client = server.client();
  assertEquals(await client.isWorkspaceExists("a"), true);
});

Deno.test("a socket that someone answers on is refused, and goes on answering", async () => {
  await using folder = await temporaryFolder();
  const listen = [`unix://${join(folder.path, "s")}`];
  await using server = await TestServer.start({ exists: () => true }, { listen });
  assertEquals(
    await refusal(listen),
    `Cannot listen on ${listen[0]}: a running server answers there`,
  );
  using client = server.client();
  assertEquals(await client.isWorkspaceExists("a"), true);
});

Deno.test("a file that is no socket is neither replaced nor removed", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "s");
  await Deno.writeTextFile(path, "precious");
  assertMatch(await refusal([`unix://${path}`]), /there is something else of that name$/);
  assertEquals(await Deno.readTextFile(path), "precious");
});

Deno.test("a socket in a folder that does not exist is refused, saying so", async () => {
  await using folder = await temporaryFolder();
  const message = await refusal([`unix://${join(folder.path, "none", "s")}`]);
  assertMatch(message, /none\/s: the folder of the socket does not exist \(ENOENT\)$/);
});

Deno.test("a taken port is refused in one line that names it", async () => {
  await using server = await TestServer.start();
  assertEquals(
    await refusal([server.address()]),
    `Cannot listen on ${server.address()}: the port is taken by another process (EADDRINUSE)`,
  );
});

Deno.test("an address of another machine is refused, saying so", async () => {
  const error = await assertRejects(
    () => TestServer.start({}, { listen: ["192.0.2.1:0"], insecure: true }),
    DaemonError,
  );
  assertMatch(
    error.message,
    /^Cannot listen on 192\.0\.2\.1:0: this machine has no such address/,
  );
});

Deno.test("nothing stays bound when one of several addresses is refused", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "s");
  await using other = await TestServer.start();
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  await refusal([`127.0.0.1:${port}`, `unix://${path}`, other.address()]);
  assertEquals(await exists(path), false);
  using again = Deno.listen({ hostname: "127.0.0.1", port });
  assertEquals(again.addr.port, port);
});

Deno.test("an open TCP address without TLS is refused before anything is bound", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "s");
  const message = await refusal([`unix://${path}`, "0.0.0.0:0"], "INVALID_ARGUMENT");
  assertMatch(message, /^Cannot listen on 0\.0\.0\.0:0 without TLS.*--insecure$/);
  assertEquals(await exists(path), false);
});

Deno.test("an open TCP address without TLS is served where that was said aloud", async () => {
  await using server = await TestServer.start({ exists: () => true }, {
    listen: ["0.0.0.0:0"],
    insecure: true,
  });
  const port = server.address().split(":")[1];
  using client = new WorkspaceClient({ address: `127.0.0.1:${port}` });
  assertEquals(await client.isWorkspaceExists("a"), true);
});
