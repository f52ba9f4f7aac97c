/**
 * `deno task test:aarch64`: runs the unit tests of `src/linux` on an emulated machine with a processor of
 * the aarch64 kind and a kernel for it. Emulating single programs (`qemu-aarch64`) would not do: that
 * translates system calls by a table of its own, which has neither `openat2` nor Landlock.
 *
 * Needs Debian's `qemu-system-arm`, `e2fsprogs` and `libarchive-tools`, and an apt that reaches its archive.
 */

import { ensureDir } from "@std/fs";
import { fromFileUrl, join } from "@std/path";
import { TextLineStream } from "@std/streams";
import { fetchGuest, type Guest } from "./aarch64/guest_packages.ts";
import { makeBinary } from "./build/binary.ts";
import { bundle } from "./build/bundle.ts";
import { npmRuntime } from "./build/runtime.ts";
import { run } from "./release/run.ts";

const DIST = fromFileUrl(new URL("../dist", import.meta.url));
const FIXTURES = fromFileUrl(new URL("../tests/fixtures", import.meta.url));
/** Milliseconds that the machine may take, emulated on a loaded one. */
const LIMIT = 900_000;
const TESTS = "scripts/aarch64/guest_main.ts";

/** In this order: each needs those before it. */
const MODULES = [
  ...["drivers/virtio/virtio_mmio", "drivers/block/virtio_blk", "crypto/crc32c_generic"],
  ...["lib/crc16", "fs/mbcache", "fs/jbd2/jbd2", "fs/ext4/ext4"],
];

/** The first program: temporary folders are on a disk, as tests ask. */
function initScript({ modules }: Guest): string {
  return `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
for module in ${MODULES.join(" ")}; do /bin/busybox insmod /${modules}/$module.ko; done
/bin/busybox mount -t ext4 /dev/vda /tmp
# The tests look for their programs beside their modules, which only they see.
/bin/busybox mkdir /tmp/deno-compile-tests
/bin/busybox cp /fixtures/*.py /tmp/deno-compile-tests/
export PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root NO_COLOR=1
/tests
echo "tests ended with $?"
/bin/busybox poweroff -f
`;
}

async function makeInitramfs(guest: Guest, tests: string, folder: string): Promise<string> {
  const { root } = guest;
  await Deno.copyFile(tests, join(root, "tests"));
  await ensureDir(join(root, "fixtures"));
  for (const name of ["make_tree.py", "read_tree.py"]) {
    await Deno.copyFile(join(FIXTURES, name), join(root, "fixtures", name));
  }
  await Deno.writeTextFile(join(root, "init"), initScript(guest), { mode: 0o755 });
  const links = [["busybox", "bin/sh"], ["python3.11", "usr/bin/python3"]];
  for (const [to, path] of links) {
    await Deno.remove(join(root, path!)).catch(() => {});
    await Deno.symlink(to!, join(root, path!));
  }
  const archive = join(folder, "initramfs.cpio");
  const excluded = ["./boot", "./usr/share"].flatMap((path) => ["--exclude", path]);
  await run("bsdtar", ["--format=newc", ...excluded, "-cf", archive, "-C", root, "."]);
  return archive;
}

/** Boots the machine and prints what the tests say. Returns whether all passed. */
async function boot(kernel: string, initramfs: string, disk: string): Promise<boolean> {
  const machine = new Deno.Command("qemu-system-aarch64", {
    args: [
      ...["-machine", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "2048", "-nographic"],
      ...["-no-reboot", "-nic", "none", "-kernel", kernel, "-initrd", initramfs],
      ...["-drive", `file=${disk},format=raw,if=none,id=disk`],
      ...["-device", "virtio-blk-device,drive=disk"],
      ...["-append", "console=ttyAMA0 quiet panic=-1"],
    ],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const timer = setTimeout(() => machine.kill("SIGKILL"), LIMIT);
  let passed = false;
  const lines = machine.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  for await (const line of lines) {
    Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
    if (/^aarch64: \d+ passed, 0 failed/.test(line)) passed = true;
  }
  await machine.status;
  clearTimeout(timer);
  return passed;
}

async function test(): Promise<boolean> {
  await ensureDir(DIST);
  const folder = await Deno.makeTempDir({ dir: DIST, prefix: "aarch64-" });
  try {
    const guest = await fetchGuest(folder);
    const tests = join(folder, "tests");
    const code = join(folder, "bundle");
    const main = await bundle(code, [TESTS]);
    const denort = await npmRuntime("aarch64");
    const build = { revision: "source" };
    await makeBinary({ bundle: code, main, build, output: tests, denort, arch: "aarch64" });
    const initramfs = await makeInitramfs(guest, tests, folder);
    const disk = join(folder, "disk");
    await Deno.writeFile(disk, new Uint8Array());
    await Deno.truncate(disk, 1 << 30);
    await run("mke2fs", ["-q", "-t", "ext4", disk]);
    return await boot(guest.kernel, initramfs, disk);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (!await test()) {
  Deno.stderr.writeSync(new TextEncoder().encode("error: not every test passed on aarch64\n"));
  Deno.exit(1);
}
