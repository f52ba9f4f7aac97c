/**
 * What each call answers while this node lacks something or its disk fails: a documented code, nothing
 * left behind, and everything again once the fault is gone. One daemon for a file system, and one fault
 * after the other. A store over the network and the clock are `remote_faults_test.ts`'s.
 */

import { assert } from "@std/assert";
import { join } from "@std/path";
import { until } from "../fixtures/eventually.ts";
import { testFolder } from "../fixtures/folder.ts";
import { loopFileSystem, overlayFileSystem, smallFileSystem } from "../fixtures/mount.ts";
import { has, run } from "../fixtures/tools.ts";
import { canMountDisk, type DiskKind, fillDisk, smallDisk } from "./disk.ts";
import { checkFault, codesOf, type Fault, MIB } from "./faults.ts";
import { TestNode } from "./node.ts";

/** Where a fault is: the node, whose root is the file system, and the folder of its store, which is not. */
interface Place {
  node: TestNode;
  store: string;
}

/** A fault of a place. */
type LocalFault = Omit<Fault, "begin"> & { begin(place: Place): Promise<() => Promise<void>> };

const NO_BLOCKS: LocalFault = {
  name: "no blocks",
  codes: codesOf("RESOURCE_EXHAUSTED"),
  says: /no space left.*; make room on the \w+ file system at /s,
  begin({ node }) {
    const ballast = join(node.root, "ballast");
    Deno.mkdirSync(ballast);
    fillDisk(ballast);
    return Promise.resolve(() => Deno.remove(ballast, { recursive: true }));
  },
};

const NO_INODES: LocalFault = {
  name: "no inodes",
  codes: codesOf("RESOURCE_EXHAUSTED"),
  says: /no inodes.*; make room on the \w+ file system at /s,
  begin({ node }) {
    const ballast = join(node.root, "ballast");
    Deno.mkdirSync(ballast);
    try {
      for (let n = 0; n < 100_000; n++) Deno.createSync(join(ballast, String(n))).close();
    } catch {
      // There are none left.
    }
    return Promise.resolve(() => Deno.remove(ballast, { recursive: true }));
  },
};

/** Where a file system keeps space back for what copies on write, no call may notice. */
const SOME_BLOCKS: LocalFault = {
  ...NO_BLOCKS,
  codes: codesOf("RESOURCE_EXHAUSTED", {
    init: ["OK", "RESOURCE_EXHAUSTED"],
    snapshot: ["OK", "RESOURCE_EXHAUSTED"],
    backup: ["OK", "RESOURCE_EXHAUSTED"],
    dispose: ["OK", "DATA_LOSS"],
  }),
};

const READ_ONLY = {
  name: "a file system that became read-only",
  codes: codesOf("FAILED_PRECONDITION"),
  says: /read-only \(\w+\); .*mount .*for writing/s,
};

/** As after an error that ext4 finds: every later write is refused. */
const READ_ONLY_EXT4: LocalFault = {
  ...READ_ONLY,
  async begin({ node }) {
    const device = await source(node.root);
    await run("/", "mount", "-o", "remount,errors=remount-ro", node.root);
    Deno.writeTextFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, "1");
    return () => mountAgain(node);
  },
};

/** The only way in which a btrfs becomes read-only under open files and can still be read for sure. */
const READ_ONLY_BTRFS: LocalFault = {
  ...READ_ONLY,
  name: "a subvolume that became read-only",
  async begin({ node }) {
    const set = (value: string) => run("/", "btrfs", "property", "set", node.root, "ro", value);
    await set("true");
    return async () => void await set("false");
  },
};

/**
 * A store's file system that is mounted anew for reading only. With the root's that cannot happen on
 * XFS, which shuts down instead ({@link SHUT_DOWN}), nor while files are open for writing.
 */
const READ_ONLY_STORE: LocalFault = {
  ...READ_ONLY,
  name: "a store that became read-only",
  codes: codesOf("FAILED_PRECONDITION", { init: ["OK"] }),
  async begin({ store }) {
    await run("/", "mount", "-o", "remount,ro", store);
    return async () => void await run("/", "mount", "-o", "remount,rw", store);
  },
};

const DISK_FAILS = {
  name: "a disk that fails",
  codes: codesOf("FAILED_PRECONDITION"),
  says: /input\/output error\) \(\w+\); see the kernel's log .* the \w+ file system at /s,
};

/** As after a disk that is gone: the kernel lets nothing more through. */
const SHUT_DOWN: LocalFault = {
  ...DISK_FAILS,
  async begin({ node }) {
    const ioctl = "import fcntl,os,struct,sys; " +
      "fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";
    await run("/", "python3", "-c", ioctl, node.root);
    return () => mountAgain(node);
  },
};

/** btrfs knows no such call: its disk ends before what is to be written, and it takes no more writes. */
const CUT_OFF: LocalFault = {
  ...DISK_FAILS,
  says: new RegExp(`${READ_ONLY.says.source}|${DISK_FAILS.says.source}`, "s"),
  async begin({ node }) {
    const device = `/dev/${await source(node.root)}`;
    // LOOP_GET_STATUS64 and LOOP_SET_STATUS64: `lo_sizelimit` of `struct loop_info64`.
    const limit = (bytes: number) =>
      run(
        "/",
        "python3",
        "-c",
        "import fcntl,os,struct,sys; fd = os.open(sys.argv[1], os.O_RDONLY); " +
          "info = bytearray(232); fcntl.ioctl(fd, 0x4c05, info); " +
          "struct.pack_into('Q', info, 32, int(sys.argv[2])); fcntl.ioctl(fd, 0x4c04, bytes(info))",
        device,
        String(bytes),
      );
    await limit(4096);
    Deno.writeTextFileSync(join(node.root, "unsaved"), "unsaved");
    const { success } = await new Deno.Command("sync", {
      args: ["--file-system", node.root],
      stderr: "null",
    }).output();
    assert(!success);
    return () => mountAgain(node, () => limit(0));
  },
};

const NO_DESCRIPTORS: LocalFault = {
  name: "no descriptors",
  codes: codesOf("RESOURCE_EXHAUSTED", {
    // What is at hand may suffice for a small one.
    snapshot: ["OK", "RESOURCE_EXHAUSTED"],
    backup: ["OK", "RESOURCE_EXHAUSTED"],
    init: ["OK", "RESOURCE_EXHAUSTED"],
    dispose: ["OK", "DATA_LOSS"],
  }),
  says: /too many files are open.*LimitNOFILE/s,
  async begin({ node }) {
    const { pid } = node.daemon;
    const open = new Set([...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => Number(name)));
    let lowest = 0;
    while (open.has(lowest)) lowest++;
    await run("/", "prlimit", "--pid", String(pid), `--nofile=${lowest}:`);
    return async () => void await run("/", "prlimit", "--pid", String(pid), "--nofile=4096:");
  },
};

const STORE_GONE: LocalFault = {
  name: "a store that is gone",
  codes: codesOf("UNAVAILABLE"),
  says: /is its file system mounted\?/,
  begin({ store }) {
    Deno.renameSync(store, `${store}.away`);
    return Promise.resolve(() => Deno.rename(`${store}.away`, store));
  },
};

/** Whoever tidied the disk up removed what is the daemon's; and puts it back from a copy. */
const removed = (name: string, parts: readonly string[]): LocalFault => ({
  name,
  codes: codesOf("FAILED_PRECONDITION"),
  says: /\/node\/[^ ]*: it was moved or removed while wsdaemon ran.*; put back or mount again/s,
  async begin({ node }) {
    const copy = `${node.root}.copy`;
    const own = (folder: string) => parts.map((part) => join(folder, part));
    await Deno.mkdir(copy);
    await run("/", "cp", "-a", ...own(node.root), copy);
    for (const path of own(node.root)) await Deno.remove(path, { recursive: true });
    return async () => {
      await node.end("SIGKILL");
      await run("/", "cp", "-a", ...own(copy), node.root);
      await Deno.remove(copy, { recursive: true });
      await node.startAgain();
    };
  },
});

const ROOT_GONE = removed("a root whose content was removed", ["workspaces", "tmp", "state"]);
const STATE_GONE = removed("a state that was removed", ["state"]);
const TMP_GONE = removed("temporary folders that were removed", ["tmp"]);

async function source(mountPoint: string): Promise<string> {
  const device = await run("/", "findmnt", "--noheadings", "--output", "SOURCE", mountPoint);
  return new TextDecoder().decode(device).trim().split("/").at(-1)!;
}

/** What an operator does about a file system that has failed: repairs it, mounts it again, and restarts. */
async function mountAgain(node: TestNode, repair?: () => Promise<unknown>): Promise<void> {
  await node.end("SIGKILL");
  await repair?.();
  await run("/", "umount", node.root);
  const image = `${node.root}.img`;
  // Who has copied the mounts meanwhile keeps the failed one for as long, and it would be taken again.
  await until("no loop device has the image", async () => {
    return (await run("/", "losetup", "--associated", image)).length === 0;
  });
  await run("/", "mount", "-o", "loop", image, node.root);
  await node.startAgain();
}

/** Where a root can be: what to mount for it, and what is to happen to it, one after the other. */
const FILE_SYSTEMS: readonly {
  name: string;
  /** The kind of disk that must be mountable here. */
  needs: DiskKind;
  mount(at: string, store: string): Disposable;
  faults: readonly LocalFault[];
}[] = [
  {
    name: "ext4",
    needs: "ext4",
    mount: (at) => smallDisk(at, 32 * MIB, "ext4"),
    faults: [
      ...[NO_BLOCKS, STORE_GONE, NO_DESCRIPTORS, ROOT_GONE, TMP_GONE, SHUT_DOWN, READ_ONLY_EXT4],
    ],
  },
  {
    name: "ext4 with few inodes",
    needs: "ext4",
    mount(at) {
      Deno.mkdirSync(at);
      return loopFileSystem(at, ["mkfs.ext4", "-q", "-F", "-N", "256"], 32 * MIB);
    },
    faults: [NO_INODES],
  },
  {
    name: "xfs",
    needs: "xfs",
    mount: (at) => smallDisk(at, undefined, "xfs"),
    faults: [NO_BLOCKS, STATE_GONE, SHUT_DOWN],
  },
  {
    name: "btrfs",
    needs: "btrfs",
    mount: (at) => smallDisk(at, undefined, "btrfs"),
    faults: [SOME_BLOCKS, ROOT_GONE, READ_ONLY_BTRFS, CUT_OFF],
  },
  ...(["xfs", "btrfs"] as const).map((kind) => ({
    name: `a store on ${kind}`,
    needs: kind,
    mount: (_at: string, store: string) => smallDisk(store, undefined, kind),
    faults: [READ_ONLY_STORE],
  })),
  {
    name: "tmpfs",
    needs: "ext4",
    mount(at) {
      Deno.mkdirSync(at);
      return smallFileSystem(at, 16 * MIB, 600);
    },
    faults: [NO_BLOCKS, NO_INODES],
  },
  {
    name: "overlay",
    needs: "ext4",
    mount(at) {
      using stack = new DisposableStack();
      stack.use(smallDisk(`${at}.disk`, 32 * MIB, "ext4"));
      const beneath = join(`${at}.disk`, "o");
      Deno.mkdirSync(beneath);
      stack.use(overlayFileSystem(beneath));
      Deno.symlinkSync(beneath, at);
      return stack.move();
    },
    faults: [NO_BLOCKS],
  },
];

const KEPT = { wait: "kept", snapshot: "kept", backup: "kept", dispose: "kept" };

for (const { name, needs, mount, faults } of FILE_SYSTEMS) {
  const can = canMountDisk(needs) && has("prlimit") && has("python3");
  Deno.test({
    name: `whatever fails on ${name}, each call has its code, nothing is left, all is well after${
      can ? "" : " (ignored: needs root, loop devices, mkfs, prlimit, python3)"
    }`,
    ignore: !can,
    async fn(t) {
      using folder = testFolder();
      const store = join(folder.path, "store");
      using _disk = mount(join(folder.path, "node"), store);
      const config = {
        storage: { kind: "fs", path: store },
        backup: { attempts: 1 },
        // What is looked at is what an init runs into, not what keeps it from beginning.
        disk: { initPercent: 0 },
      };
      await using node = await TestNode.start(folder.path, "node", { config });
      for (const fault of faults) {
        const here = { ...fault, begin: () => fault.begin({ node, store }) };
        // What a fault has left would be taken for the next one's.
        if (!await t.step(fault.name, () => checkFault(node, here, KEPT))) break;
      }
    },
  });
}
