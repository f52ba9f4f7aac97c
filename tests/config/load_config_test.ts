import { assert, assertEquals, assertObjectMatch, assertStringIncludes } from "@std/assert";
import { configJsonSchema, leaves } from "../../src/config/keys.ts";
import { showConfig } from "../../src/config/show_config.ts";
import { variableOf } from "../../src/config/environment.ts";
import { load } from "./fixture.ts";

Deno.test("config decides every key when nothing is given", () => {
  assertEquals(load({}).config, {
    root: "/var/lib/wsdaemon",
    listen: ["127.0.0.1:8080"],
    operations: { slowAfter: 300_000 },
    unixSocket: { mode: "0660" },
    insecure: false,
    confinement: "auto",
    content: { priority: "low" },
    metrics: { listen: "127.0.0.1:9500", required: false },
    storage: { kind: "fs", path: "/var/lib/wsdaemon/store" },
    snapshot: {},
    store: { chunks: { minBytes: 0 }, gc: { grace: 86_400_000, deletesPerSecond: 100 } },
    backup: { attempts: 3, concurrency: 4, onStop: false, retain: 1, otherLineages: 32 },
    contentOwner: { uid: 1000, gid: 1001 },
    exclude: { cacheDirs: false, ignoreFile: false, patterns: [] },
    init: { inPlace: false, preferBackup: false },
    compat: { readyFile: false, idMap: [] },
    git: { timeout: 600_000, protocols: ["https", "http", "ssh", "git"] },
    net: {
      allowLoopback: false,
      allowHosts: [],
      denyHosts: [],
      proxyConnect: "address",
      noProxy: [],
    },
    quota: { driver: "auto" },
    disk: { readyPercent: 5, initPercent: 2 },
    cache: { maxBytes: 50 * 2 ** 30, minFreePercent: 15 },
    tracing: {},
    shutdown: { grace: 30_000 },
    log: { level: "info", format: "text" },
  });
});

Deno.test("config takes flags over variables over the file over defaults", () => {
  const file = `{ // comments are welcome
    "root": "/file", "git": {"timeout": "1m"}, "backup": {"retain": 2, "attempts": 2}, }`;
  const env = { WSDAEMON_ROOT: "/env", WSDAEMON_BACKUP_RETAIN: "5" };
  assertObjectMatch(load({ file }).config, { root: "/file", backup: { retain: 2, attempts: 2 } });
  assertObjectMatch(load({ file, env }).config, { root: "/env", backup: { retain: 5 } });
  assertObjectMatch(load({ file, env, flags: { root: "/flag" } }).config, {
    root: "/flag",
    git: { timeout: 60_000 },
    backup: { retain: 5, attempts: 2, concurrency: 4 },
  });
});

Deno.test("config replaces a whole list when a layer above gives one", () => {
  const file = '{"listen": ["127.0.0.1:1", "127.0.0.1:2"]}';
  const env = { WSDAEMON_LISTEN: "127.0.0.1:3, unix:///run/x.sock" };
  assertEquals(load({ file, env }).config.listen, ["127.0.0.1:3", "unix:///run/x.sock"]);
});

Deno.test("config drops the file's storage keys when a variable names another kind", () => {
  const file = '{"storage": {"kind": "s3", "endpoint": "http://x", "bucket": "b"}}';
  assertEquals(load({ file, env: { WSDAEMON_STORAGE_KIND: "none" } }).config.storage, {
    kind: "none",
  });
});

Deno.test("config reads secrets from variables when the file has the rest", () => {
  const file = '{"storage": {"kind": "s3", "endpoint": "http://x", "bucket": "b"}}';
  const env = {
    WSDAEMON_STORAGE_ACCESS_KEY_ID: "AKIA",
    WSDAEMON_STORAGE_SECRET_ACCESS_KEY: "hush",
    WSDAEMON_STORAGE_FORCE_PATH_STYLE: "true",
    WSDAEMON_STORAGE_ARCHIVE_BUCKETS: "one,two",
  };
  assertObjectMatch(load({ file, env }).config.storage, {
    accessKeyId: "AKIA",
    secretAccessKey: "hush",
    forcePathStyle: true,
    archiveBuckets: ["one", "two"],
  });
});

Deno.test("config starts relative paths from the file's folder, and a flag's from the shell's", () => {
  const { config } = load({
    file: '{"root": "data", "tls": {"cert": "c.pem", "key": "/abs/k.pem"}}',
    flags: { tls: { clientCa: "ca.pem" } },
  });
  assert(config.tls);
  assertEquals(config.root.endsWith("/data"), true);
  assertEquals(config.tls.cert, config.root.replace(/data$/, "c.pem"));
  assertEquals(config.tls.key, "/abs/k.pem");
  assertEquals(config.tls.clientCa, "/work/dir/ca.pem");
  assertEquals(load({ flags: { root: "./.data" } }).config.root, "/work/dir/.data");
});

Deno.test("config warns and goes on when a variable is unknown", () => {
  const { warnings } = load({ env: { WSDAEMON_GIT_TIMEOUTS: "1m", WSDAEMON_ADDR: "x" } });
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0]!, 'did you mean "WSDAEMON_GIT_TIMEOUT"?');
});

Deno.test("config serves no metrics when they are off, and insists on an address asked for", () => {
  assertEquals(load({ file: '{"metrics": {"listen": "off"}}' }).config.metrics, {
    required: false,
  });
  assertEquals(load({ env: { WSDAEMON_METRICS_LISTEN: "127.0.0.1:0" } }).config.metrics, {
    listen: "127.0.0.1:0",
    required: true,
  });
});

Deno.test("config allows a public listener when it has TLS or is said to be insecure", () => {
  const listen = ["0.0.0.0:8080"];
  load({ flags: { listen, insecure: true } });
  load({ flags: { listen, tls: { cert: "c", key: "k" } } });
  load({ flags: { listen: ["127.9.9.9:1", "[::1]:1", "localhost:1", "unix:///run/x"] } });
});

Deno.test("config that is shown can be loaded again and means the same", () => {
  const given = load({
    file: '{"git": {"timeout": "90s"}, "storage": {"kind": "none"}, "metrics": {"listen": "off"}}',
  }).config;
  assertEquals(load({ file: JSON.stringify(showConfig(given)) }).config, given);
});

Deno.test("config covers secrets when it is shown", () => {
  const shown = JSON.stringify(showConfig(
    load({
      file: `{"storage": {"kind": "s3", "endpoint": "http://x", "bucket": "the-bucket",
        "accessKeyId": "AKIA1", "secretAccessKey": "hush1", "sessionToken": "token1"}}`,
    }).config,
  ));
  assertStringIncludes(shown, "the-bucket");
  for (const secret of ["AKIA1", "hush1", "token1"]) {
    assertEquals(shown.includes(secret), false, secret);
  }
});

Deno.test("config schema names every leaf once when alternatives share it", () => {
  const names = leaves(configJsonSchema()).map((leaf) => leaf.path.join("."));
  assertEquals(new Set(names).size, names.length);
  for (const name of ["storage.kind", "storage.bucket", "storage.path", "git.timeout", "listen"]) {
    assert(names.includes(name), name);
  }
});

Deno.test("every leaf of the schema is read from its own variable, and holds a value", () => {
  const found = leaves(configJsonSchema());
  const variables = found.map(({ path }) => variableOf(path));
  assertEquals(new Set(variables).size, variables.length);
  assertEquals(found.filter(({ type }) => type === "object"), []);
  const typeOf = (name: string) => found.find(({ path }) => path.join(".") === name)?.type;
  assertEquals(["insecure", "listen", "root", "backup.retain"].map(typeOf), [
    "boolean",
    "array",
    "string",
    "integer",
  ]);
});
