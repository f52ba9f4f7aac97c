/** Whatever fails on this machine, a command says what, why and what to do, and never a raw error. */

import { assert, assertEquals, assertNotMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { DaemonProcess } from "../../scripts/daemon_process.ts";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { request } from "../e2e/node.ts";
import { testFolder } from "../fixtures/folder.ts";
import { commandAsUser, IS_ROOT } from "../e2e/user.ts";
import { canMount, smallFileSystem } from "../fixtures/mount.ts";
import { run } from "../fixtures/tools.ts";
import { wsdaemon } from "./fixture.ts";
import { RAW } from "./raw_words.ts";

interface Case {
  args: readonly string[];
  /** Words that say what failed and why, and what to do. */
  says: readonly string[];
  /** Exit code; 1 unless given. */
  code?: number;
  shell?: string;
  command?: readonly string[];
  env?: Record<string, string>;
}

async function check({ args, says, code = 1, shell, command, env = {} }: Case): Promise<void> {
  const outcome = await wsdaemon(args, {
    ...(shell ? { shell } : {}),
    ...(command ? { command } : {}),
    env,
  });
  const line = `${args.join(" ")}: ${outcome.stderr}`;
  assertEquals(outcome.code, code, line);
  assertNotMatch(outcome.stderr, RAW, line);
  for (const words of says) assertStringIncludes(outcome.stderr, words, line);
  if (says.length > 0) assert(/^error: .+/m.test(outcome.stderr), line);
}

async function checkAll(cases: readonly Case[]): Promise<void> {
  for (const one of cases) await check(one);
}

function makeFiles(folder: string): (name: string) => string {
  const at = (name: string) => join(folder, name);
  Deno.mkdirSync(at("dir"));
  Deno.writeTextFileSync(at("file"), "text");
  Deno.writeTextFileSync(at("empty"), "");
  Deno.writeFileSync(at("binary"), new Uint8Array([0xff, 0xfe, 0x7b, 0x7d]));
  return at;
}

Deno.test("files that the command line names and that cannot be used are named with the remedy", async () => {
  using folder = testFolder();
  const at = makeFiles(folder.path);
  const [missing, dir, file, empty, binary] = ["missing", "dir", "file", "empty", "binary"].map(at);
  const exists = (
    ...flags: string[]
  ) => ["client", "--addr", "127.0.0.1:1", ...flags, "exists", "w"];
  const config = (path: string) => ["config", "validate", "--config", path];
  await checkAll([
    { args: config(missing!), says: [missing!, "no such file"], code: 78 },
    { args: config(dir!), says: [dir!, "it is a directory"], code: 78 },
    { args: config(binary!), says: [binary!, "not UTF-8"], code: 78 },
    { args: ["store", "ls", "--config", missing!], says: [missing!, "no such file"], code: 78 },
    { args: ["run", "--config", dir!], says: [dir!, "it is a directory"], code: 78 },
    { args: ["store", "ls", "--root", missing!], says: ["no store in", "--root"] },
    { args: ["store", "ls", "--root", dir!], says: ["no store in", "--root"] },
    { args: ["store", "ls", "--root", file!], says: [file!, "not a directory", "check the path"] },
    {
      args: ["store", "ls", "--root", dir!],
      env: { TMPDIR: missing! },
      says: ["TMPDIR", missing!, "check the path"],
    },
    { args: ["client", "init", missing!], says: [missing!, "no such file", "check the path"] },
    { args: ["client", "init", dir!], says: [dir!, "it is a directory", "name a file"] },
    { args: ["client", "init", empty!], says: [empty!] },
    { args: exists("--tls-ca", missing!), says: ["--tls-ca", missing!, "check the path"] },
    { args: exists("--tls-ca", dir!), says: ["--tls-ca", dir!, "name a file"] },
    { args: exists("--tls-ca", empty!), says: ["--tls-ca", "it is empty"] },
    { args: exists("--tls-cert", file!, "--tls-key", file!), says: ["--tls-cert", "not PEM"] },
    { args: exists("--tls-cert", file!), says: ["belong together"], code: 2 },
    { args: exists(), says: ["nobody listens there", "--addr"] },
    {
      args: ["client", "--addr", `unix://${missing}`, "exists", "w"],
      says: ["no such socket", "--addr"],
    },
    { args: ["client", "--addr", `unix://${file}`, "exists", "w"], says: [file!, "--addr"] },
    { args: ["run", "--root", file!], says: [file!, "not a folder"] },
    {
      args: ["run", "--root", at("root"), "--tls-cert", missing!, "--tls-key", missing!],
      says: [missing!, "no such file"],
    },
  ]);
});

const withMounts = canMount();
Deno.test({
  name: `exports that cannot be written say why and what to do, and leave nothing${
    withMounts ? "" : " (ignored: needs root and leave to mount)"
  }`,
  ignore: !withMounts,
  async fn() {
    using folder = testFolder();
    const at = makeFiles(folder.path);
    const root = at("root");
    await using daemon = await DaemonProcess.start({
      args: ["--root", root, "--metrics-listen", "off"],
    });
    using client = new WorkspaceClient({ address: daemon.addresses[0]! });
    await client.initWorkspace(request("w"));
    const content = crypto.getRandomValues(new Uint8Array(65536));
    for (let n = 0; n < 8; n++) Deno.writeFileSync(join(root, "workspaces/w", `f${n}`), content);
    const url = await client.backupWorkspace("w");
    const full = at("full");
    const readOnly = at("read-only");
    for (const path of [full, readOnly]) Deno.mkdirSync(path);
    using _full = smallFileSystem(full, 65536);
    using _readOnly = smallFileSystem(readOnly, 65536);
    await run("/", "mount", "-o", "remount,ro", readOnly);
    const tar = (path: string) => ["store", "export", "--root", root, url, "--tar", path];
    await checkAll([
      { args: tar(join(folder.path, "none", "x")), says: ["no such file", "check the path"] },
      { args: tar(at("dir")), says: [at("dir"), "there already", "choose another name"] },
      { args: tar(join(at("file"), "x")), says: ["not a directory", "check the path"] },
      { args: tar(join(full, "x")), says: ["no space left", `the tmpfs file system at ${full}`] },
      { args: tar(join(readOnly, "x")), says: ["read-only", "remount,rw"] },
      {
        args: ["store", "export", "--root", root, url, "--oci", join(readOnly, "x")],
        says: ["read-only", "remount,rw"],
      },
      // Who reads it has had enough.
      { args: tar("-"), shell: '"$@" | head -c 1 > /dev/null', says: [], code: 0 },
      { args: tar("-"), shell: '"$@" > /dev/full', says: ["no space left"] },
      { args: ["store", "ls", "--root", root], shell: '"$@" > /dev/full', says: ["stdout"] },
    ]);
    assertEquals([...Deno.readDirSync(full)], []);
  },
});

Deno.test({
  name: `what another user may not read or reach is said with the remedy${
    IS_ROOT ? "" : " (ignored: needs root)"
  }`,
  ignore: !IS_ROOT,
  async fn() {
    using folder = testFolder();
    const at = makeFiles(folder.path);
    Deno.chmodSync(folder.path, 0o711);
    Deno.mkdirSync(at("root/store/blobs"), { recursive: true });
    Deno.chmodSync(at("root"), 0o700);
    Deno.chmodSync(at("file"), 0o600);
    const socket = at("socket");
    await using _daemon = await DaemonProcess.start({
      args: ["--root", at("node"), "--metrics-listen", "off", "--listen", `unix://${socket}`],
    });
    const command = commandAsUser(folder.path);
    await checkAll([
      { args: ["store", "ls", "--root", at("root")], says: ["permission denied"], command },
      {
        args: ["config", "validate", "--config", at("file")],
        code: 78,
        says: ["permission denied"],
        command,
      },
      {
        args: ["client", "--addr", `unix://${socket}`, "exists", "w"],
        says: ["permission denied", "unixSocket.mode", "0660"],
        command,
      },
    ]);
  },
});
