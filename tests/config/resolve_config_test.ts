import { assertEquals } from "@std/assert";
import { type Conflict, conflicts, resolveConfig } from "../../src/config/resolve_config.ts";
import { type Config, configSchema } from "../../src/config/schema.ts";

const HOST = { cwd: "/work/dir", uid: 1000, gid: 1001 };

function resolved(written: Record<string, unknown>): Config {
  return resolveConfig(configSchema.parse({ root: "data", ...written }), HOST);
}

/** The paths of the conflicts in a config. */
function conflicting(written: Record<string, unknown>): string[] {
  return conflicts(resolved(written)).map(({ path }: Conflict) => path.join("."));
}

Deno.test("relative paths start from the working directory, and absolute ones stay", () => {
  const config = resolved({
    tls: { cert: "c.pem", key: "/etc/k.pem" },
    storage: { kind: "fs", path: "../store" },
  });
  assertEquals(config.root, "/work/dir/data");
  assertEquals(config.tls, { cert: "/work/dir/c.pem", key: "/etc/k.pem" });
  assertEquals(config.storage, { kind: "fs", path: "/work/store" });
});

Deno.test("content belongs to the user that runs the daemon unless the config says to whom", () => {
  assertEquals(resolved({}).contentOwner, { uid: 1000, gid: 1001 });
  assertEquals(resolved({ contentOwner: { uid: 7, gid: 8 } }).contentOwner, { uid: 7, gid: 8 });
});

Deno.test("an address for metrics is required only where it was asked for", () => {
  assertEquals(resolved({}).metrics, { listen: "127.0.0.1:9500", required: false });
  assertEquals(resolved({ metrics: { listen: "127.0.0.1:1" } }).metrics, {
    listen: "127.0.0.1:1",
    required: true,
  });
  assertEquals(resolved({ metrics: { listen: "off" } }).metrics, { required: false });
});

const LISTENERS: { name: string; written: Record<string, unknown>; found: string[] }[] = [
  { name: "loopback", written: { listen: ["127.0.0.1:1", "[::1]:1", "localhost:1"] }, found: [] },
  { name: "a unix socket", written: { listen: ["unix:///run/x"] }, found: [] },
  { name: "every address", written: { listen: ["127.0.0.1:1", "0.0.0.0:1"] }, found: ["listen.1"] },
  { name: "a name", written: { listen: ["example.org:1"] }, found: ["listen.0"] },
  { name: "an address twice", written: { listen: ["[::1]:1", "[::1]:1"] }, found: ["listen.1"] },
  { name: "any free port twice", written: { listen: ["[::1]:0", "[::1]:0"] }, found: [] },
  {
    name: "an operators' address of the API's",
    written: { listen: ["[::1]:1"], operations: { listen: ["[::1]:2", "[::1]:1"] } },
    found: ["operations.listen.1"],
  },
  {
    name: "an operators' address that others reach",
    written: { operations: { listen: ["0.0.0.0:1"] } },
    found: ["operations.listen.0"],
  },
  { name: "insecurely", written: { listen: ["0.0.0.0:1"], insecure: true }, found: [] },
  {
    name: "with TLS",
    written: { listen: ["0.0.0.0:1"], tls: { cert: "c", key: "k" } },
    found: [],
  },
];

for (const { name, written, found } of LISTENERS) {
  Deno.test(`listening on or ${name}: ${found.length} conflicts`, () => {
    assertEquals(conflicting(written), found);
  });
}

const FOLDERS: { path: string; conflicts: boolean }[] = [
  { path: "/work/dir/data/store", conflicts: false },
  { path: "/work/dir/datastore", conflicts: false },
  { path: "/work/dir/data/..store", conflicts: false },
  { path: "/work/dir/data", conflicts: true },
  { path: "/work/dir", conflicts: true },
  { path: "/", conflicts: true },
  { path: "/work/dir/data/workspaces/x", conflicts: true },
  { path: "/work/dir/data/state", conflicts: true },
  { path: "/work/dir/data/tmp/x/../y", conflicts: true },
  { path: "/work/dir/data/tmpx", conflicts: false },
  { path: "/work/dir/data/tmp/..x", conflicts: true },
];

for (const { path, conflicts } of FOLDERS) {
  Deno.test(`a store at ${path} ${conflicts ? "mixes with" : "is apart from"} the daemon's folders`, () => {
    const found = conflicting({ storage: { kind: "fs", path } });
    assertEquals(found, conflicts ? ["storage.path"] : []);
  });
}

Deno.test("half a pair of S3 keys is a conflict of the other half", () => {
  const s3 = { kind: "s3", endpoint: "https://s3.test", bucket: "b" };
  assertEquals(conflicting({ storage: { ...s3, accessKeyId: "A" } }), ["storage.secretAccessKey"]);
  assertEquals(conflicting({ storage: { ...s3, secretAccessKey: "s" } }), ["storage.accessKeyId"]);
  assertEquals(conflicting({ storage: { ...s3, sessionToken: "t" } }), ["storage.sessionToken"]);
});
