/**
 * Every command of the help with every kind of fault that can reach it: what was wrong, with absolute
 * paths, and what to do. In this process, since none gets as far as to serve; what only a process of
 * its own shows is in `failures_test.ts`.
 */

import { assert, assertEquals, assertNotMatch } from "@std/assert";
import { dirname, join } from "@std/path";
import { FROM_SOURCE } from "../../scripts/daemon_process.ts";
import { EXIT } from "../../src/cli/failure.ts";
import { inProcess } from "./in_process.ts";
import { RAW } from "./raw_words.ts";
import { hasOpenssl, makeCertificates } from "../rpc/certificates.ts";
import { testFolder } from "../fixtures/folder.ts";
import { canMount, smallFileSystem } from "../fixtures/mount.ts";
import { BUCKET, S3_KEYS, startS3 } from "../fixtures/s3rver.ts";
import { FaultProxy } from "../fixtures/fault_proxy.ts";

const URL_OF_NOTHING = "wsdaemon:backup/a/b";
/** An empty folder, for what is copied. */
const EMPTY = Deno.makeTempDirSync({ prefix: "wsdaemon-empty-" });
Deno.test.afterAll(() => Deno.removeSync(EMPTY, { recursive: true }));

/** Every command with arguments that it needs, by its name in the help. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  run: [],
  doctor: [],
  completion: ["bash"],
  man: [],
  version: [],
  "config validate": [],
  "config show": [],
  "config schema": [],
  "pool create": ["--size", "1GiB", "--dry-run"],
  "pool status": [],
  "pool grow": ["--size", "2GiB", "--dry-run"],
  "state check": [],
  "state adopt": ["--all"],
  "store ls": [],
  "store show": [URL_OF_NOTHING],
  "store cat": [URL_OF_NOTHING, "file"],
  "store export": [URL_OF_NOTHING, "--tar", "-"],
  "store import": [EMPTY, "--owner", "a", "--meta-id", "b"],
  "store copy": ["--to", EMPTY],
  "store verify": [],
  "store rm": [URL_OF_NOTHING],
  "store forget": [],
  "store gc": [],
  "client init": ["--id", "w", "--owner", "a", "--meta-id", "b", "--empty"],
  "client wait": ["w"],
  "client exists": ["w"],
  "client snapshot": ["w"],
  "client backup": ["w"],
  "client dispose": ["w"],
  ls: [],
  status: [],
  ops: [],
  top: ["--once"],
  cancel: ["operation"],
  "images ls": [],
  "images show": [URL_OF_NOTHING],
  "images rm": [URL_OF_NOTHING],
  collect: [],
  verify: [],
  purge: ["a", "--yes"],
  drain: [],
};

const names = Object.keys(COMMANDS);
const STORE = names.filter((name) => name.startsWith("store "));
const POOL = names.filter((name) => name.startsWith("pool "));
const STATE = names.filter((name) => name.startsWith("state "));
/** The groups of commands. */
const GROUPS = ["client", "config", "images", "pool", "state", "store"];
/** The commands that call a daemon. */
const CLIENT = [
  ...names.filter((name) => /^(client|images) /.test(name)),
  ...["ls", "status", "ops", "top", "cancel", "drain", "collect", "verify", "purge"],
];
/** The commands that load a config. */
const CONFIG = ["run", "doctor", "config validate", "config show", ...STORE, ...POOL, ...STATE];
/** The commands that look at what the config names. */
const MACHINE = ["run", "doctor", "config validate"];

/** What befalls commands: flags that lead them into it, and words that each must say. */
interface CommandFault {
  name: string;
  commands: readonly string[];
  flags: readonly string[];
  says: readonly (string | RegExp)[];
  /** The exit code; that of a failure unless given. */
  code?: number;
}

async function checkAll(faults: readonly CommandFault[]): Promise<void> {
  for (const { name, commands, flags, says, code: expected = EXIT.failure } of faults) {
    for (const command of commands) {
      const [group = "", ...rest] = command.split(" ");
      const own = group === "client" ? [group, ...flags, ...rest] : [group, ...rest, ...flags];
      const args = group === "store" ? [group, ...flags, ...rest] : own;
      const { code, stdout, stderr } = await inProcess(...args, ...COMMANDS[command]!);
      const text = command === "doctor" ? `${stderr}${stdout}` : stderr;
      const what = `${command} with ${name}: ${text}`;
      assertEquals(code, expected, what);
      assertNotMatch(text, RAW, what);
      assert(/^(error: |FAILED)/m.test(text), what);
      for (const words of says) {
        assert(
          typeof words === "string" ? text.includes(words) : words.test(text),
          `${words}: ${what}`,
        );
      }
    }
  }
}

Deno.test("the table of commands has every command of the help", async () => {
  const listed: string[] = [];
  for (const group of ["", ...GROUPS]) {
    const { stdout } = await inProcess(...group === "" ? [] : [group], "--help");
    const commands = /^Commands:\n(.*?)\n\n/ms.exec(stdout)![1]!;
    for (const [, name] of commands.matchAll(/^ {2}(\w+)/gm)) {
      if (name === "help" || GROUPS.includes(name!)) continue;
      listed.push(`${group} ${name}`.trim());
    }
  }
  assertEquals(listed.toSorted(), names.toSorted());
});

Deno.test("every command that loads a config says what is wrong with it and what to do", async () => {
  using folder = testFolder();
  const at = (name: string) => join(folder.path, name);
  Deno.mkdirSync(at("dir"));
  const files = {
    empty: "",
    text: "text",
    array: "[]",
    key: '{ "rooot": "/x" }',
    type: '{ "root": 3 }',
    binary: new Uint8Array([0xff, 0xfe]),
  };
  for (const [name, content] of Object.entries(files)) {
    if (typeof content === "string") Deno.writeTextFileSync(at(name), content);
    else Deno.writeFileSync(at(name), content);
  }
  const fault = (name: string, ...says: string[]): CommandFault => ({
    name,
    commands: CONFIG,
    flags: ["--config", at(name)],
    says: [at(name), ...says],
    code: EXIT.config,
  });
  await checkAll([
    fault("missing", "no such file", "check the path"),
    fault("text/x", "not a directory", "check the path"),
    fault("dir", "it is a directory", "name a file"),
    fault("empty", "is empty", "{}"),
    fault("text", ":1:1: not valid JSON"),
    fault("array", "expected a JSON object"),
    fault("key", "rooot: unknown key", 'did you mean "root"?'),
    fault("type", "root: expected a path, got 3"),
    fault("binary", "not UTF-8", "name a file of JSON"),
  ]);
  // However it is named.
  const before = Deno.cwd();
  Deno.chdir(folder.path);
  try {
    await checkAll([{ ...fault("missing", "check the path"), flags: ["--config", "missing"] }]);
  } finally {
    Deno.chdir(before);
  }
});

Deno.test("every client command says that no daemon is there, or which of its files cannot be used", async () => {
  using folder = testFolder();
  const at = (name: string) => join(folder.path, name);
  Deno.mkdirSync(at("dir"));
  Deno.writeTextFileSync(at("empty"), "");
  Deno.writeTextFileSync(at("text"), "text");
  const fault = (name: string, flags: string[], ...says: string[]): CommandFault => ({
    name,
    commands: CLIENT,
    flags: ["--addr", "127.0.0.1:1", ...flags],
    says,
  });
  const ca = (name: string, ...says: string[]) =>
    fault(`--tls-ca ${name}`, ["--tls-ca", at(name)], at(name), "--tls-ca", ...says);
  await checkAll([
    fault("no daemon", [], "127.0.0.1:1", "nobody listens there", "--addr"),
    fault("no socket", ["--addr", `unix://${at("none")}`], at("none"), "no such socket", "--addr"),
    fault("no socket but a file", ["--addr", `unix://${at("text")}`], at("text"), "--addr"),
    ca("missing", "no such file", "check the path"),
    ca("dir", "it is a directory", "name a file"),
    ca("empty", "it is empty", "-----BEGIN"),
    ca("text", "it is not PEM", "-----BEGIN"),
  ]);
});

Deno.test("every store command says that its store is not there, refuses it or cannot be reached", async () => {
  using folder = testFolder();
  const at = (name: string) => join(folder.path, name);
  Deno.mkdirSync(at("dir"));
  Deno.writeTextFileSync(at("file"), "text");
  Deno.writeTextFileSync(at("empty"), "");
  await using s3 = await startS3();
  const { endpoint } = s3;
  const proxy = new FaultProxy({ hostname: s3.host, port: s3.port });
  using _proxy = { [Symbol.dispose]: () => proxy.stop() };
  const refusing = (code: string, status = 403) =>
    proxy.plan({ fault: { kind: "answer", status, code }, on: /./, times: Infinity });
  const stored = (name: string, storage: Record<string, unknown>, ...says: string[]) => {
    const all = { kind: "s3", endpoint, bucket: BUCKET, forcePathStyle: true, ...S3_KEYS };
    const config = { root: at("root"), storage: { ...all, ...storage } };
    Deno.writeTextFileSync(at(`${name}.json`), JSON.stringify(config));
    return { name, commands: STORE, flags: ["--config", at(`${name}.json`)], says };
  };
  const keysFrom = (path: string) => ({
    accessKeyId: undefined,
    secretAccessKey: undefined,
    credentialsFile: path,
  });
  await checkAll([
    ...["none", "dir"].map((name) => ({
      name: `no store in ${name}`,
      commands: STORE,
      flags: ["--root", at(name)],
      says: [join(at(name), "store"), "There is no store", "--root"],
    })),
    { name: "a file", commands: STORE, flags: ["--root", at("file")], says: [at("file"), "check"] },
    stored("key", { accessKeyId: "wrong" }, endpoint, "InvalidAccessKeyId", "check the keys"),
    stored("bucket", { bucket: "nobodys" }, endpoint, "NoSuchBucket", "create the bucket"),
    stored("no-keys", keysFrom(at("none")), at("none"), "no such file", "check the path"),
    stored("keys-dir", keysFrom(at("dir")), at("dir"), "it is a directory", "name a file"),
    stored("keys-empty", keysFrom(at("empty")), at("empty"), "set both aws_access_key_id"),
    stored("no-ca", { caFile: at("none") }, at("none"), "no such file", "check the path"),
    stored("ca-empty", { caFile: at("empty") }, at("empty"), "no certificate", "name a PEM file"),
  ]);
  refusing("AuthorizationHeaderMalformed", 400);
  const region = { endpoint: proxy.endpoint, region: "mars-1" };
  await checkAll([stored("region", region, "AuthorizationHeaderMalformed", "region")]);
  proxy.stop();
  const random = Math.random;
  // The pauses between attempts have a random length; these are of the shortest.
  Math.random = () => 0.999;
  try {
    const reached = { endpoint: proxy.endpoint };
    await checkAll([stored("down", reached, proxy.endpoint, "out of reach", "storage.endpoint")]);
  } finally {
    Math.random = random;
  }
});

Deno.test("every store command that waits for a silent store is ended by a signal, and leaves nothing", async () => {
  using folder = testFolder();
  await using s3 = await startS3();
  const proxy = new FaultProxy({ hostname: s3.host, port: s3.port });
  using _proxy = { [Symbol.dispose]: () => proxy.stop() };
  const { endpoint } = proxy;
  const storage = { kind: "s3", endpoint, bucket: BUCKET, forcePathStyle: true, ...S3_KEYS };
  const config = join(folder.path, "config.json");
  const temporary = join(folder.path, "tmp");
  Deno.mkdirSync(temporary);
  Deno.writeTextFileSync(config, JSON.stringify({ root: join(folder.path, "root"), storage }));
  proxy.plan({ fault: { kind: "stall" }, on: /./, times: Infinity });
  const [program, ...before] = FROM_SOURCE;
  // For people and for machines.
  const isJson = (n: number) => n % 2 === 1;
  const children = STORE.map((command, n) => {
    const [group, name] = command.split(" ");
    const args = [
      ...before,
      group!,
      ...isJson(n) ? ["--json"] : [],
      "--config",
      config,
      name!,
      ...COMMANDS[command]!,
    ];
    const env = { TMPDIR: temporary };
    return new Deno.Command(program, { args, env, stdout: "piped", stderr: "piped" }).spawn();
  });
  const ended = children.map((child) => child.output());
  // Each has one request under way then.
  await Promise.race([proxy.seen(/./, children.length), Promise.all(ended)]);
  for (const child of children) child.kill("SIGINT");
  for (const [n, { code, stderr }] of (await Promise.all(ended)).entries()) {
    const text = new TextDecoder().decode(stderr);
    assertEquals(code, EXIT.interrupted, `${STORE[n]}: ${text}`);
    const message = "Interrupted by SIGINT";
    if (isJson(n)) assertEquals(JSON.parse(text), { error: { code: "CANCELLED", message } });
    else assertEquals(text, `error: ${message}\n`, STORE[n]);
  }
  assertEquals([...Deno.readDirSync(temporary)], []);
});

Deno.test("every pool command says what is in its way, and what to do", async () => {
  using folder = testFolder();
  const at = (name: string) => join(folder.path, name);
  for (const name of ["full/workspaces/w", "full/store", "dir", "units"]) {
    Deno.mkdirSync(at(name), { recursive: true });
  }
  for (const name of ["file", "text.img", "link.img"]) Deno.writeTextFileSync(at(name), "text");
  const units = ["--units", at("units")];
  const fault = (root: string, commands: string[], file: string, ...says: string[]) => ({
    name: `${commands} of ${root} in ${file}`,
    commands: commands.map((name) => `pool ${name}`),
    flags: ["--root", at(root), "--file", at(file), ...units],
    says,
  });
  await checkAll([
    fault("none", ["create"], "text.img", at("text.img"), "is no pool", "--file"),
    fault("none", ["create"], "dir", at("dir"), "is no pool", "move it away"),
    fault("none", ["create"], "none/pool.img", at("none"), "mounted", "--file"),
    fault("none", ["create"], "missing/pool.img", at("missing"), "no folder", "make it first"),
    fault("full", ["create"], "pool.img", at("full"), "1 workspace and an object store", "move"),
    fault("file", ["create"], "pool.img", at("file"), "is no folder", "choose another root"),
    fault("a b", ["create"], "pool.img", "a b", "blanks", "choose a path"),
    fault("none", ["status", "grow"], "none.img", at("none.img"), "no pool", "pool create"),
    fault("none", ["status", "grow"], "text.img", at("text.img"), "no pool", "--file"),
  ]);
  assertEquals([...Deno.readDirSync(at("units"))], []);
});

Deno.test({
  name: `every command that looks at this machine names what the daemon cannot use${
    hasOpenssl && canMount() ? "" : " (ignored: needs openssl, root and leave to mount)"
  }`,
  ignore: !hasOpenssl || !canMount(),
  async fn() {
    using folder = testFolder();
    const at = (name: string) => join(folder.path, name);
    for (const name of ["dir", "read-only"]) Deno.mkdirSync(at(name));
    for (const [name, text] of Object.entries({ empty: "", text: "text", file: "x" })) {
      Deno.writeTextFileSync(at(name), text);
    }
    const damaged = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    Deno.writeTextFileSync(at("damaged"), damaged);
    await makeCertificates(folder.path);
    using _readOnly = smallFileSystem(at("read-only"), 1 << 20);
    await new Deno.Command("mount", { args: ["-o", "remount,ro", at("read-only")] }).output();
    const tls = (cert: string, key: string, clientCa: string | undefined, ...says: string[]) => {
      const files = { cert: at(cert), key: at(key), ...clientCa && { clientCa: at(clientCa) } };
      const config = { root: at("root"), listen: ["127.0.0.1:0"], tls: files, ...ANY_DISK };
      const path = at(`${[cert, key, clientCa].join("-")}.json`);
      Deno.writeTextFileSync(path, JSON.stringify(config));
      return { name: path, commands: MACHINE, flags: ["--config", path], says };
    };
    const rooted = (name: string, ...says: (string | RegExp)[]) => {
      const path = `${at(name.replaceAll("/", "-"))}.root.json`;
      Deno.writeTextFileSync(path, JSON.stringify({ root: at(name), ...ANY_DISK }));
      return { name, commands: MACHINE, flags: ["--config", path], says: [at(name), ...says] };
    };
    const none = undefined;
    await checkAll([
      tls("none", "server.key", none, at("none"), "no such file", "check the path"),
      tls("dir", "server.key", none, at("dir"), "it is a directory", "name a file"),
      tls("empty", "server.key", none, "tls.cert", at("empty"), "is empty", "name a PEM file"),
      tls("server.pem", "empty", none, "tls.key", at("empty"), "is empty", "name the PEM file"),
      tls("server.pem", "server.key", "empty", "tls.clientCa", at("empty"), "name a PEM file"),
      tls("text", "text", none, "tls.cert", at("text"), "is not PEM", "name a PEM file"),
      tls("damaged", "server.key", none, at("damaged"), "is damaged", "name a PEM file"),
      tls("server.key", "server.pem", none, at("server.key"), "no certificate", "name a PEM file"),
      tls("server.pem", "server.pem", none, at("server.pem"), "no private key", "name the PEM"),
      tls("server.pem", "client.key", none, at("client.key"), "does not belong"),
      tls("expired.pem", "expired.key", none, at("expired.pem"), "expired on", "renew it"),
      rooted("a/b", dirname(at("a/b")), /make (it|that folder)/),
      rooted("file", "not a folder", "choose another"),
      rooted("read-only/root", "read-only", "remount,rw"),
    ]);
  },
});

/** A disk of any fullness will do. */
const ANY_DISK = { disk: { readyPercent: 0, initPercent: 0 } };
