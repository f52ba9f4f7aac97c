import { assert, assertEquals } from "@std/assert";
import { protoFolders } from "../../src/program_files.ts";
import { contentPermissions, daemonPermissions } from "../../src/process/worker_permissions.ts";
import { setAt, valueAt } from "../../src/config/config_source.ts";
import { configJsonSchema, leaves } from "../../src/config/keys.ts";
import { PATH_FORMAT } from "../../src/schema_fields.ts";
import { storageSchema } from "../../src/store/mod.ts";
import { configOf } from "./fixture.ts";

Deno.test("content permissions are one library and nothing else", () => {
  assertEquals(contentPermissions("/lib/libc.so.6"), {
    env: false,
    ffi: ["/lib/libc.so.6"],
    import: false,
    net: false,
    read: false,
    run: false,
    sys: false,
    write: false,
  });
});

Deno.test("daemon permissions reach the root and no other folder when all is default", () => {
  const { read, write, run, ffi, import: imports, sys } = daemonPermissions(
    configOf({ root: "/r" }),
    ["/usr/bin/git"],
    {},
  );
  assertEquals(write, ["/r", "/r/store"]);
  assertEquals(read, ["/r", "/r/store", ...protoFolders()]);
  assertEquals(run, ["/usr/bin/git"]);
  assertEquals([ffi, imports, sys], [false, false, ["statfs"]]);
});

Deno.test("daemon permissions run nothing when there is no Git", () => {
  assertEquals(daemonPermissions(configOf({ root: "/r" }), [], {}).run, false);
});

Deno.test("daemon permissions read the named files and write beside a unix socket", () => {
  const { read, write } = daemonPermissions(
    configOf({
      root: "/r",
      listen: ["unix:///run/w/api.sock"],
      operations: { listen: ["unix:///run/w/operations.sock"] },
      tls: { cert: "/c.pem", key: "/k.pem", clientCa: "/ca.pem" },
      storage: {
        kind: "s3",
        endpoint: "https://s3.test",
        bucket: "b",
        credentialsFile: "/creds",
        caFile: "/s3-ca.pem",
      },
    }),
    [],
    {},
  );
  assert(Array.isArray(read) && Array.isArray(write));
  for (const path of ["/c.pem", "/k.pem", "/ca.pem", "/creds", "/s3-ca.pem"]) {
    assert(read.includes(path), path);
  }
  assert(!read.includes("/run/w"), "what lies beside a socket is another's");
  assertEquals(write, ["/r", "/run/w/api.sock", "/run/w/operations.sock"]);
});

Deno.test("every key of the config that holds a path is made absolute, and what it names may be read", () => {
  const keys = leaves(configJsonSchema()).filter(({ format }) => format === PATH_FORMAT)
    .map(({ path }) => path);
  assert(keys.length >= 7, `only ${keys.length} keys hold paths`);
  const kinds: Record<string, unknown>[] = [
    { kind: "fs" },
    { kind: "s3", endpoint: "https://s3.test", bucket: "b" },
  ];
  const found = new Set<string>();
  for (const storage of kinds) {
    const values = structuredClone({ storage });
    const ours = keys.filter(([section, key]) =>
      section !== "storage" || isKeyOf(storage.kind, key)
    );
    for (const key of ours) setAt(values, key, `x/${key.join(".")}`);
    const config = configOf(values);
    const { read } = daemonPermissions(config, [], {});
    for (const key of ours) {
      const path = `/x/${key.join(".")}`;
      assertEquals(valueAt(config, key), path);
      assert(Array.isArray(read) && read.includes(path), `${key.join(".")} may not be read`);
      found.add(key.join("."));
    }
  }
  assertEquals([...found].toSorted(), keys.map((key) => key.join(".")).toSorted());
});

function isKeyOf(kind: unknown, key: string | undefined): boolean {
  const schemas: { shape: Record<string, unknown> & { kind: { value: string } } }[] = [
    ...storageSchema.options,
  ];
  const schema = schemas.find(({ shape }) => shape.kind.value === kind)!;
  return key !== undefined && key in schema.shape;
}

Deno.test("daemon permissions reach a store outside the root", () => {
  const config = configOf({ root: "/r", storage: { kind: "fs", path: "/shared/store" } });
  assertEquals(daemonPermissions(config, [], {}).write, ["/r", "/shared/store"]);
});

const S3 = { kind: "s3", endpoint: "https://s3.test", bucket: "b", archiveBuckets: ["old"] };

Deno.test("daemon permissions name every host when net.allowHosts narrows them", () => {
  const config = configOf({
    root: "/r",
    listen: ["127.0.0.1:8080"],
    storage: { ...S3, accessKeyId: "a", secretAccessKey: "s" },
    net: { allowHosts: ["*.example.com"] },
  });
  assertEquals(daemonPermissions(config, [], {}).net, [
    "127.0.0.1:8080",
    "127.0.0.1:9500",
    "s3.test:443",
    "b.s3.test:443",
    "old.s3.test:443",
    "127.0.0.1",
    "*.example.com",
  ]);
});

Deno.test("daemon permissions reach the role's credentials when none are configured", () => {
  const config = configOf({
    root: "/r",
    storage: { ...S3, endpoint: "http://[::1]:9000", forcePathStyle: true },
    net: { allowHosts: ["example.com"] },
  });
  const { net, env } = daemonPermissions(config, [], {});
  assert(Array.isArray(net) && Array.isArray(env));
  for (const host of ["[::1]:9000", "169.254.169.254:80"]) {
    assert(net.includes(host), host);
  }
  assert(env.includes("AWS_*"));
});

Deno.test("daemon permissions allow every host when downloads may come from any", () => {
  assertEquals(daemonPermissions(configOf({ root: "/r" }), [], {}).net, true);
});
