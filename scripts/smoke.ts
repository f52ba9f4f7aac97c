/**
 * `deno task smoke`: drives the executable `dist/wsdaemon` through a workspace's life with a client
 * from source, and looks at what came of it. Exit 1 at the first thing that is not as it should be.
 */

import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:http2";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { type InitWorkspaceInit, WorkspaceClient } from "../src/client/mod.ts";
import { listenerProblem } from "../src/process/runtime.ts";
import { FaultProxy } from "../tests/fixtures/fault_proxy.ts";
import { BUCKET, S3_KEYS, startS3 } from "../tests/fixtures/s3rver.ts";
import { DaemonProcess } from "./daemon_process.ts";

const BINARY = fromFileUrl(new URL("../dist/wsdaemon", import.meta.url));

function step(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`smoke: ${text}\n`));
}

function request(id: string, initializer: InitWorkspaceInit["initializer"]): InitWorkspaceInit {
  return { id, metadata: { owner: "alice", metaId: "smoke" }, ...initializer && { initializer } };
}

async function version(): Promise<string> {
  const { success, stdout } = await new Deno.Command(BINARY, { args: ["version"] }).output();
  assert(success, "wsdaemon version failed");
  return new TextDecoder().decode(stdout).trim();
}

/** Files of a workspace, as `ls -lR` and their text would tell them. */
function contentOf(folder: string): Record<string, unknown> {
  return Object.fromEntries(
    [...Deno.readDirSync(folder)].map(({ name, isDirectory, isSymlink }) => {
      const path = join(folder, name);
      const { mode, mtime } = Deno.lstatSync(path);
      if (isDirectory) return [name, contentOf(path)];
      const text = isSymlink ? Deno.readLinkSync(path) : Deno.readTextFileSync(path);
      return [name, { mode, mtime: mtime?.getTime(), text }];
    }),
  );
}

/** Makes what a person's workspace may have, and something that must not be followed. */
async function edit(folder: string): Promise<void> {
  await Deno.mkdir(join(folder, "src"));
  await Deno.writeTextFile(join(folder, "src", "main.sh"), "#!/bin/sh\necho hello\n");
  await Deno.chmod(join(folder, "src", "main.sh"), 0o755);
  await Deno.utime(join(folder, "src", "main.sh"), 1_000_000_000, 1_000_000_000);
  await Deno.symlink("/etc/passwd", join(folder, "link"));
}

async function walkThrough(root: string, daemon: DaemonProcess): Promise<void> {
  using client = new WorkspaceClient({ address: daemon.addresses[0]! });
  const folder = (id: string) => join(root, "workspaces", id);

  await client.initWorkspace(request("one", { spec: { case: "empty", value: {} } }));
  await edit(folder("one"));
  const content = contentOf(folder("one"));
  step("initialised and edited a workspace");

  const snapshot = await client.takeSnapshot({ id: "one" });
  await client.initWorkspace(request("two", { spec: { case: "snapshot", value: { snapshot } } }));
  assertEquals(contentOf(folder("two")), content);
  step(`restored ${snapshot}`);

  await client.disposeWorkspace({ id: "one", backup: true });
  assertEquals(await client.isWorkspaceExists("one"), false);
  await client.initWorkspace(request("three", { spec: { case: "backup", value: {} } }));
  assertEquals(contentOf(folder("three")), content);
  step("disposed of it with a backup, and restored that");
}

/** A unix socket is served, or refused where the runtime would never answer on it. */
async function unixSocket(root: string, path: string): Promise<void> {
  const args = ["--root", root, "--metrics-listen", "off", "--listen", `unix://${path}`];
  const runtime = /deno ([\d.]+)/.exec(await version())![1]!;
  if (listenerProblem(runtime, { unix: true, tls: false })) {
    const { code, stderr } = await new Deno.Command(BINARY, { args: ["run", ...args] }).output();
    assertEquals(code, 1);
    assertStringIncludes(new TextDecoder().decode(stderr), "cannot answer on unix sockets");
    step(`refuses a unix socket on Deno ${runtime}`);
    return;
  }
  await using daemon = await DaemonProcess.start({ command: [BINARY], args });
  using client = new WorkspaceClient({ address: daemon.addresses[0]! });
  assertEquals(await client.isWorkspaceExists("one"), false);
  step(`answers on ${daemon.addresses[0]}`);
}

/**
 * Restores from S3 come whole at the first reading, though answers are cut and several restores read
 * slowly beside each other: the runtime must not reuse memory that was given away.
 */
async function cutDownloads(folder: string): Promise<void> {
  await using server = await startS3();
  const proxy = new FaultProxy({ hostname: server.host, port: server.port }, () => {});
  await using _closing = { [Symbol.asyncDispose]: () => proxy.close() };
  const config = join(folder, "s3.json");
  const { endpoint } = proxy;
  const storage = { kind: "s3", endpoint, bucket: BUCKET, forcePathStyle: true, ...S3_KEYS };
  await Deno.writeTextFile(config, JSON.stringify({ storage }));
  const root = join(folder, "s3");
  await using daemon = await DaemonProcess.start({
    command: [BINARY],
    args: ["--root", root, "--config", config, "--metrics-listen", "off"],
  });
  using client = new WorkspaceClient({ address: daemon.addresses[0]! });
  await client.initWorkspace(request("large", { spec: { case: "empty", value: {} } }));
  await Deno.writeFile(join(root, "workspaces", "large", "file"), randomBytes(1_800_000));
  await client.backupWorkspace("large");
  const copies = ["copy-1", "copy-2", "copy-3"];
  for (let round = 0; round < 20; round++) {
    proxy.plan({
      fault: { kind: "cut-answer" },
      on: /^GET .*blobs.*=GetObject/,
      skip: 3,
      times: 3,
    });
    await Promise.all(copies.map(async (id) => {
      await client.initWorkspace(request(id, { spec: { case: "backup", value: {} } }));
      await client.disposeWorkspace({ id });
    }));
  }
  assert(!daemon.log.includes("wrong digest"), daemon.log);
  step("restored from S3 through cut answers, each blob at the first reading");
}

const LARGE_BYTES = 48 << 20;
/** Bytes of the URL of each of the files of a request of nearly 4 MiB. */
const LONG_URL = 4_000;
const MAX_FILES = 1_000;

/** Makes a folder a repository that any web server can serve. */
async function publish(folder: string): Promise<void> {
  const author = ["-c", "user.name=smoke", "-c", "user.email=smoke@example.com"];
  for (
    const args of [
      ["init", "--quiet"],
      ["add", "--all"],
      [...author, "commit", "--quiet", "--message=large"],
      ["repack", "-adq"],
      ["update-server-info"],
    ]
  ) {
    const { success } = await new Deno.Command("git", { args, cwd: folder }).output();
    assert(success, `git ${args.join(" ")} failed`);
  }
}

/** Serves the files of a folder. */
function serveFiles(folder: string): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    try {
      return new Response(await Deno.readFile(join(folder, new URL(request.url).pathname)));
    } catch {
      return new Response("", { status: 404 });
    }
  });
}

/**
 * Downloads and clones through the egress proxy come whole, three beside each other, though the server
 * sends faster than they are read; and so do requests as large as they may be.
 */
async function largeTransfers(folder: string): Promise<void> {
  const content = randomBytes(LARGE_BYTES);
  const remote = join(folder, "remote");
  await Deno.mkdir(remote);
  await Deno.writeFile(join(remote, "large"), content);
  await publish(remote);
  await using server = serveFiles(remote);
  const config = join(folder, "transfers.json");
  await Deno.writeTextFile(config, JSON.stringify({ net: { allowLoopback: true } }));
  const root = join(folder, "transfers");
  await using daemon = await DaemonProcess.start({
    command: [BINARY],
    args: ["--root", root, "--config", config, "--metrics-listen", "off"],
  });
  using client = new WorkspaceClient({ address: daemon.addresses[0]! });
  const url = `http://127.0.0.1:${server.addr.port}`;
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
  const files = (url: string, count: number) =>
    Array.from(
      { length: count },
      (_, n) => ({ url, filePath: n === 0 ? "large" : `${n}`, digest }),
    );
  const specs: NonNullable<NonNullable<InitWorkspaceInit["initializer"]>["spec"]>[] = [
    { case: "download", value: { files: files(`${url}/large`, 1) } },
    { case: "git", value: { remoteUri: `${url}/.git` } },
  ];
  for (const spec of specs) {
    await Promise.all([1, 2, 3].map(async (n) => {
      const id = `${spec.case}-${n}`;
      await client.initWorkspace(request(id, { spec }));
      const arrived = await Deno.readFile(join(root, "workspaces", id, "large"));
      assertEquals(Buffer.compare(arrived, content), 0, id);
      await client.disposeWorkspace({ id });
    }));
  }
  const value = { files: files(`http://169.254.169.254/${"x".repeat(LONG_URL)}`, MAX_FILES) };
  for (let round = 0; round < 15; round++) {
    const large = request("refused", { spec: { case: "download", value } });
    const error = await assertRejects(() => client.initWorkspace(large), Error);
    assertStringIncludes(error.message, "169.254.169.254");
  }
  assert(!daemon.log.includes("again"), daemon.log);
  step("downloads, clones and requests of 4 MB come whole");
}

/** Longer than a connection may be silent before the daemon asks whether it is still there; ms. */
const SILENCE = 70_000;

/** Connects to a daemon. Resolves after {@link SILENCE} with whether the connection is still there. */
async function isKept(root: string): Promise<boolean> {
  await using daemon = await DaemonProcess.start({
    command: [BINARY],
    args: ["--root", root, "--metrics-listen", "off"],
  });
  const session = connect(`http://${daemon.addresses[0]}`);
  const closed = new Promise<boolean>((resolve) => session.once("close", () => resolve(false)));
  session.on("error", () => {});
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  const silence = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => silence.resolve(true), SILENCE);
  try {
    return await Promise.race([closed, silence.promise]);
  } finally {
    clearTimeout(timer);
    session.destroy();
  }
}

const root = await Deno.makeTempDir({ prefix: "wsdaemon-smoke-" });
try {
  const said = await version();
  assert(
    /\((?:[0-9a-f]{7,}(?:-dirty)?|unknown)(?: of \d{4}-\d\d-\d\d)?, deno /.test(said),
    `no commit in: ${said}`,
  );
  step(said);
  const keeping = isKept(join(root, "silent"));
  const daemon = await DaemonProcess.start({
    command: [BINARY],
    args: ["--root", root, "--metrics-listen", "off"],
  });
  try {
    // A Worker whose permissions were not in force would not have started.
    assertStringIncludes(daemon.log, `confined to ${root}`);
    step(`serves on ${daemon.addresses[0]}, confined to its root`);
    await walkThrough(root, daemon);
  } finally {
    const { code } = await daemon.end("SIGTERM");
    assertEquals(code, 0, daemon.log);
  }
  await unixSocket(join(root, "other"), join(root, "api.sock"));
  await cutDownloads(root);
  await largeTransfers(root);
  assert(await keeping, "a connection was closed though its client was there");
  step(`kept a connection that was silent for ${SILENCE / 1000} s`);
  step("ended in an orderly way: passed");
} finally {
  await Deno.remove(root, { recursive: true });
}
