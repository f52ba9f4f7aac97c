import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { confinementCheck } from "../../src/process/preflight/confinement_check.ts";
import { kernelCheck, rightsCheck } from "../../src/process/preflight/host_checks.ts";
import type { Check } from "../../src/process/mod.ts";
import { hasOpenssl, makeCertificates } from "../rpc/certificates.ts";
import { testFolder } from "../fixtures/folder.ts";
import { BUCKET, S3_KEYS, startS3 } from "../fixtures/s3rver.ts";
import { inProcess } from "./in_process.ts";

async function doctor(...args: string[]): Promise<{ code: number; checks: Check[] }> {
  const { code, stdout, stderr } = await inProcess("doctor", "--json", ...args);
  assert(stdout.startsWith("{"), stderr);
  const { ok, checks } = JSON.parse(stdout);
  assertEquals(ok, code === 0);
  return { code, checks };
}

/** What a config file for a root says, disks of any fullness included. */
function configFile(folder: string, config: Record<string, unknown>): string {
  const path = join(folder, "config.json");
  const disk = { readyPercent: 0, initPercent: 0 };
  Deno.writeTextFileSync(path, JSON.stringify({ root: join(folder, "root"), disk, ...config }));
  return path;
}

Deno.test("doctor passes a root and its store, and leaves nothing in them", async () => {
  using folder = testFolder();
  const root = join(folder.path, "root");
  Deno.mkdirSync(join(root, "store", "blobs"), { recursive: true });
  const config = configFile(folder.path, {});
  const { code, checks } = await doctor("--config", config);
  const named = new Set(checks.map(({ name }) => name));
  for (
    const name of [
      "root",
      "file system",
      "space",
      "git",
      "confinement",
      "limits",
      "kernel",
      "clock",
    ]
  ) {
    assert(named.has(name), name);
  }
  const store = checks.filter(({ name }) => name.startsWith("store"));
  assertEquals(store.map(({ name, outcome }) => [name, outcome]), [
    ["store", "ok"],
    ["store reach", "ok"],
    ["store clock", "ok"],
    ["store rights", "ok"],
    ["store listing", "ok"],
  ]);
  assertEquals(checks.filter(({ outcome }) => outcome === "failed"), []);
  assertEquals(code, 0);
  assertEquals([...Deno.readDirSync(root)].map(({ name }) => name), ["store"]);
  assertEquals(filesIn(join(root, "store")), []);
});

Deno.test("doctor fails with a line for each fault that says what to do", async () => {
  using folder = testFolder();
  const { path } = folder;
  Deno.writeTextFileSync(join(path, "file"), "no folder");
  const config = configFile(path, {
    root: join(path, "none/root"),
    storage: { kind: "fs", path: join(path, "file") },
    tls: { cert: join(path, "no.pem"), key: join(path, "file") },
    disk: { readyPercent: 90, initPercent: 90 },
  });
  const { code, stdout } = await inProcess("doctor", "--config", config);
  assertEquals(code, 1);
  const failed = stdout.split("\n").filter((line) => line.startsWith("FAILED"));
  assertStringIncludes(failed.join("\n"), `there is no folder ${path}/none; make that folder`);
  assertStringIncludes(failed.join("\n"), `Cannot read ${path}/no.pem: no such file`);
});

Deno.test("doctor makes no store in a folder that has none, and warns of it", async () => {
  using folder = testFolder();
  const path = join(folder.path, "mistyped");
  Deno.mkdirSync(join(path, "others"), { recursive: true });
  Deno.chmodSync(path, 0o755);
  const storage = { kind: "fs", path };
  const { code, checks } = await doctor("--config", configFile(folder.path, { storage }));
  assertEquals(checks.filter(({ name }) => name.startsWith("store")), [{
    name: "store",
    outcome: "warning",
    message: `${path} holds no store yet; the daemon makes one there`,
    remedy: "check storage.path, and that it is mounted",
  }]);
  assertEquals(code, 0);
  assertEquals(Deno.statSync(path).mode! & 0o777, 0o755);
  assertEquals([...Deno.readDirSync(path)].map(({ name }) => name), ["others"]);
});

Deno.test("doctor tries a bucket's rights, and names a bucket that is not there", async () => {
  using folder = testFolder();
  await using server = await startS3();
  const storage = {
    kind: "s3",
    endpoint: server.endpoint,
    bucket: BUCKET,
    forcePathStyle: true,
    ...S3_KEYS,
  };
  const { code, checks } = await doctor("--config", configFile(folder.path, { storage }));
  const store = checks.filter(({ name }) => name.startsWith("store"));
  assertEquals(store.map(({ name }) => name), [
    "store",
    "store reach",
    "store clock",
    "store rights",
    "store listing",
  ]);
  assertEquals([code, store.filter(({ outcome }) => outcome !== "ok")], [0, []]);
  assertStringIncludes(store[0]!.message, "region us-east-1");

  const missing = configFile(folder.path, { storage: { ...storage, bucket: "nobodys" } });
  const refused = await doctor("--config", missing);
  assertEquals(refused.code, 1);
  const [reach] = refused.checks.filter(({ outcome }) => outcome === "failed");
  assertStringIncludes(reach!.message, "Cannot use the bucket nobodys");
});

Deno.test({
  name:
    "an expired certificate fails doctor and config validate, and stops a start (needs openssl)",
  ignore: !hasOpenssl,
  async fn() {
    using folder = testFolder();
    await makeCertificates(folder.path);
    const at = (name: string) => join(folder.path, name);
    const config = configFile(folder.path, {
      tls: { cert: at("expired.pem"), key: at("expired.key"), clientCa: at("ca.pem") },
    });
    const why = `tls.cert (${at("expired.pem")}), the certificate of CN=expired, expired on`;
    const { code, checks } = await doctor("--offline", "--config", config);
    assertEquals(code, 1);
    assert(checks.some(({ outcome, message }) => outcome === "failed" && message.includes(why)));
    const validated = await inProcess("config", "validate", "--config", config);
    assertEquals([validated.code, validated.stdout], [1, ""]);
    assertStringIncludes(validated.stderr, why);
    const file = await inProcess("config", "validate", "--file-only", "--config", config);
    assertEquals([file.code, file.stdout], [0, "The config is valid.\n"]);
    const started = await inProcess("run", "--config", config);
    assertEquals(started.code, 1);
    assertStringIncludes(started.stderr, `error: ${why}`);
    assertEquals([...Deno.readDirSync(folder.path)].some(({ name }) => name === "root"), false);
  },
});

Deno.test("a kernel without openat2 fails, and a capability that is missing is warned of", () => {
  const outcomes = ["5.5.19-generic", "4.19.0", "5.6.0", "6.18.44-fc", "10.0", ""].map((release) =>
    kernelCheck(release).outcome
  );
  assertEquals(outcomes, ["failed", "failed", "ok", "ok", "ok", "ok"]);
  const config = { contentOwner: { uid: 0, gid: 0 } } as Parameters<typeof rightsCheck>[0];
  assertEquals(rightsCheck(config, 0, "CapEff:\t000001ffffffffff\n").outcome, "ok");
  const without = rightsCheck(config, 0, "CapEff:\t000001fffffffffe\n");
  assertEquals(without.outcome, "warning");
  assertStringIncludes(without.message, "CAP_CHOWN: restored content loses its owners");
});

Deno.test("a kernel that cannot confine is warned of, and fails where that is required", () => {
  const whole = { landlock: 7, seccomp: true };
  const [auto, required, off] = (["auto", "required", "off"] as const).map((confinement) => ({
    confinement,
  }));
  assertEquals(confinementCheck(required!, whole).outcome, "ok");
  assertStringIncludes(confinementCheck(off!, whole).message, "off");
  for (const lacking of [{ ...whole, landlock: 2 }, { ...whole, seccomp: false }]) {
    assertEquals(confinementCheck(auto!, lacking).outcome, "warning");
    assertEquals(confinementCheck(required!, lacking).outcome, "failed");
    assertEquals(confinementCheck(off!, lacking).outcome, "ok");
  }
});

/** Every file below a folder. */
function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesIn(join(folder, name)) : [join(folder, name)]
  );
}
