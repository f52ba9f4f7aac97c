/** The container image: an OCI layout that others read, the same for the same files, and one that runs. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { writeLayout } from "../../scripts/image/oci_layout.ts";
import { makeImage } from "../../scripts/image/make_image.ts";
import { run } from "../../scripts/release/run.ts";
import { testFolder } from "../fixtures/folder.ts";
import { has } from "../fixtures/tools.ts";

const HAS_TOOLS = has("umoci") && has("skopeo");

const IMAGE = {
  arch: "amd64",
  config: { Entrypoint: ["/bin/program"] },
  annotations: { "org.opencontainers.image.title": "test" },
  created: "2026-01-02T03:04:05Z",
  tag: "1.0",
} as const;

/** Makes a folder with a file, at another time and by another umask than the last one. */
function layer(folder: string, name: string, umask: number) {
  const before = Deno.umask(umask);
  Deno.mkdirSync(join(folder, name, "bin"), { recursive: true });
  Deno.umask(before);
  for (const path of [name, join(name, "bin")]) Deno.chmodSync(join(folder, path), 0o755);
  const path = join(folder, name, "bin", name);
  Deno.writeTextFileSync(path, `#!/bin/sh\necho ${name}\n`);
  Deno.chmodSync(path, 0o755);
  Deno.utimeSync(path, umask, umask);
  return { folder: join(folder, name), madeBy: name };
}

Deno.test("an image layout depends on names, modes and contents of its files alone", async () => {
  using folder = testFolder();
  const digests: string[] = [];
  for (const umask of [0o022, 0o077]) {
    const at = join(folder.path, String(umask));
    Deno.mkdirSync(join(at, "layout"), { recursive: true });
    const layers = [layer(at, "base", umask), layer(at, "program", umask)];
    digests.push(await writeLayout(join(at, "layout"), { ...IMAGE, layers }));
  }
  assertEquals(digests[0], digests[1]);
});

Deno.test({
  name: `skopeo and umoci read an image layout${HAS_TOOLS ? "" : " (ignored: they are missing)"}`,
  ignore: !HAS_TOOLS,
  async fn() {
    using folder = testFolder();
    const layout = join(folder.path, "layout");
    Deno.mkdirSync(layout);
    const layers = [layer(folder.path, "base", 0o022), layer(folder.path, "program", 0o022)];
    const digest = await writeLayout(layout, { ...IMAGE, layers });
    const told = JSON.parse(await run("skopeo", ["inspect", `oci:${layout}:1.0`]));
    assertEquals([told.Digest, told.Architecture, told.Layers.length], [digest, "amd64", 2]);
    const bundle = join(folder.path, "bundle");
    await run("umoci", ["unpack", "--rootless", "--image", `${layout}:1.0`, bundle]);
    for (const name of ["base", "program"]) {
      const path = join(bundle, "rootfs", "bin", name);
      assertEquals(Deno.readTextFileSync(path), `#!/bin/sh\necho ${name}\n`);
      assertEquals(Deno.statSync(path).mode! & 0o777, 0o755);
    }
    const { process } = JSON.parse(Deno.readTextFileSync(join(bundle, "config.json")));
    assertEquals(process.args, ["/bin/program"]);
  },
});

const BINARY = fromFileUrl(new URL("../../dist/wsdaemon", import.meta.url));
const ASKED = Deno.env.get("WSDAEMON_IMAGE") === "1" && HAS_TOOLS && Deno.uid() === 0;

/** Runs a program of a root that was unpacked, with what a container runtime mounts in it. */
const IN_ROOT = `
set -e
root=$1; shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot "$root" "$@"
`;

Deno.test({
  name:
    "the image of the binary is the same twice, and runs for a user without rights (task test:image)",
  ignore: !ASKED,
  async fn() {
    using folder = testFolder();
    Deno.chmodSync(folder.path, 0o755);
    const options = {
      binary: BINARY,
      arch: "x86_64",
      version: "0.0.0",
      revision: "none",
      created: "2026-01-02T03:04:05Z",
    } as const;
    const [first, second] = ["first", "second"].map((name) => join(folder.path, name)) as [
      string,
      string,
    ];
    const made = await makeImage({ ...options, output: first });
    const again = await makeImage({ ...options, output: second });
    assertEquals(again, made);
    assertEquals(Deno.readFileSync(first), Deno.readFileSync(second));
    const inspected = await run("skopeo", ["inspect", `oci-archive:${first}`]);
    assertEquals(JSON.parse(inspected).Digest, made.digest);

    const layout = join(folder.path, "layout");
    Deno.mkdirSync(layout);
    await run("tar", ["-x", "-f", first, "-C", layout]);
    const home = join(folder.path, "home");
    Deno.mkdirSync(home);
    Deno.chownSync(home, 4711, 4711);
    const nobody = ["--reuid", "4711", "--regid", "4711", "--clear-groups"];
    const asNobody = (...command: string[]) =>
      run("setpriv", [...nobody, ...command], { env: { HOME: home } });
    const bundle = join(home, "bundle");
    await asNobody("umoci", "unpack", "--rootless", "--image", `${layout}:0.0.0`, bundle);
    const inRoot = (...command: string[]) =>
      asNobody(
        ...["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork"],
        ...["sh", "-c", IN_ROOT, "sh", join(bundle, "rootfs"), ...command],
      );
    assertStringIncludes(await inRoot("/usr/local/bin/wsdaemon", "version"), "wsdaemon ");
    assertStringIncludes(await inRoot("/usr/bin/git", "--version"), "git version");
    const checks = await inRoot("/usr/local/bin/wsdaemon", "doctor");
    assert(!checks.includes("FAILED"), checks);
    assertStringIncludes(checks, "/usr/bin/git is 2.");
  },
});
