import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Confined } from "../../src/confinement.ts";
import { libcPath } from "../../src/process/libc.ts";
import { contentPermissions, daemonPermissions } from "../../src/process/worker_permissions.ts";
import { findProgram } from "../../src/process/find_program.ts";
import { type Attempt, probe } from "./probe.ts";
import { configOf, withFolder } from "./fixture.ts";

const LIBC = libcPath();
const PATH = Deno.env.get("PATH") ?? "";
const GIT = findProgram("git", PATH);

/** Asserts the outcome of each attempt, all of them in one Worker. */
async function assertOutcomes(
  permissions: Parameters<typeof probe>[0],
  expected: readonly (readonly [Attempt["kind"], string, string])[],
): Promise<void> {
  const attempts = expected.map(([kind, target]) => ({ kind, target }));
  const outcomes = await probe(permissions, attempts);
  assertEquals(
    attempts.map(({ kind, target }, index) => [kind, target, outcomes[index]]),
    expected.map((row) => [...row]),
  );
}

Deno.test("content Worker is refused everything but libc", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "content");
    await assertOutcomes(contentPermissions(LIBC), [
      ["load", LIBC, "allowed"],
      ["load", LIBC.replace(/libc[^/]*$/, "libm.so.6"), "NotCapable"],
      ["load", "libc.so.6", "NotCapable"],
      ["read", `${folder}/file`, "NotCapable"],
      ["read", "/etc/passwd", "NotCapable"],
      ["list", folder, "NotCapable"],
      ["write", `${folder}/new`, "NotCapable"],
      ["run", "sh", "NotCapable"],
      ["run", "/bin/true", "NotCapable"],
      ["connect", "127.0.0.1:9", "NotCapable"],
      ["listen", "127.0.0.1:0", "NotCapable"],
      ["env", "HOME", "NotCapable"],
      ["sys", "", "NotCapable"],
      ["import", "https://example.com/module.js", "TypeError"],
    ]);
  });
});

Deno.test({
  name: "daemon Worker is refused what lies outside its root, shells, libraries and secrets",
  ignore: GIT === undefined,
  fn: () =>
    withFolder(async (folder) => {
      const root = `${folder}/root`;
      await Deno.mkdir(root);
      await Deno.writeTextFile(`${folder}/outside`, "another's");
      await Deno.writeTextFile(`${folder}/key.pem`, "a key");
      const config = configOf({
        root,
        tls: { cert: `${folder}/key.pem`, key: `${folder}/key.pem` },
        listen: [`unix://${folder}/api.sock`],
      });
      await assertOutcomes(daemonPermissions(config, [GIT!], {}), [
        ["write", `${root}/file`, "allowed"],
        ["read", `${root}/file`, "allowed"],
        ["read", `${folder}/key.pem`, "allowed"],
        ["write", `${folder}/key.pem`, "NotCapable"],
        ["read", `${folder}/outside`, "NotCapable"],
        ["read", `${root}/../outside`, "NotCapable"],
        ["read", `${folder}/root2`, "NotCapable"],
        ["write", `${folder}/new`, "NotCapable"],
        ["list", folder, "NotCapable"],
        ["read", "/etc/passwd", "NotCapable"],
        ["read", "/proc/self/environ", "NotCapable"],
        ["run", GIT!, "allowed"],
        ["run", "sh", "NotCapable"],
        ["run", "/bin/sh", "NotCapable"],
        ["load", LIBC, "NotCapable"],
        ["env", "HOME", "NotCapable"],
        ["env", "AWS_SECRET_ACCESS_KEY", "NotCapable"],
        ["env", "GRPC_TRACE", "allowed"],
        ["sys", "", "NotCapable"],
        ["import", "https://example.com/module.js", "TypeError"],
      ]);
    }),
});

Deno.test("daemon Worker connects nowhere else when net.allowHosts narrows it", async () => {
  // Not 127.0.0.1, where the egress proxy needs whatever port is free.
  using listener = Deno.listen({ hostname: "127.0.0.2", port: 0 });
  using other = Deno.listen({ hostname: "127.0.0.3", port: 0 });
  const config = configOf({
    root: "/nonexistent",
    listen: ["127.0.0.1:0"],
    metrics: { listen: "off" },
    net: { allowHosts: ["127.0.0.2", "2001:db8::1", "*.example.com"] },
  });
  await assertOutcomes(daemonPermissions(config, [], {}), [
    ["connect", `127.0.0.2:${listener.addr.port}`, "allowed"],
    ["connect", `127.0.0.3:${other.addr.port}`, "NotCapable"],
    ["connect", "192.0.2.1:80", "NotCapable"],
    ["listen", "0.0.0.0:0", "NotCapable"],
    ["listen", "127.0.0.1:0", "allowed"],
    ["run", "git", "NotCapable"],
  ]);
});

async function askConfined(names: Confined[], permissions: Deno.PermissionOptions) {
  const url = new URL("./unconfined_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module", deno: { permissions } });
  try {
    return await new Promise<string>((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage(names);
    });
  } finally {
    worker.terminate();
  }
}

Deno.test("Worker refuses to work when its permissions are not in force", async () => {
  const names: Confined[] = ["env", "ffi", "net", "read", "run", "sys", "write"];
  assertStringIncludes(
    await askConfined(names, "inherit"),
    "not confined: it may env, ffi, net, read, run, sys, write anything",
  );
  assertStringIncludes(
    await askConfined(names, { ...contentPermissions(LIBC), ffi: true }),
    "not confined: it may ffi anything",
  );
  assertEquals(await askConfined(names, contentPermissions(LIBC)), "confined");
});
