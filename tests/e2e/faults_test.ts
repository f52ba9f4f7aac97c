/**
 * What each call answers while this node lacks something or its disk fails: a documented code, nothing
 * left behind, and everything again once the fault is gone. One daemon for a file system and a fault.
 * A store that falls silent is `tests/store/pace_test.ts`'s, one that nobody reaches
 * `unreachable_store_test.ts`'s.
 */

import { randomBytes } from "node:crypto";
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { ClientError } from "../../src/client/mod.ts";
import { testFolder } from "../fixtures/folder.ts";
import { overlayFileSystem, smallFileSystem } from "../fixtures/mount.ts";
import { has, run } from "../fixtures/tools.ts";
import { readTree } from "../fixtures/tree.ts";
import { canMountDisk, type DiskKind, fillDisk, smallDisk } from "./disk.ts";
import { fromBackup, request, TestNode } from "./node.ts";

const MIB = 1 << 20;
const CALLS = ["init", "wait", "exists", "snapshot", "backup", "dispose"] as const;
type Call = typeof CALLS[number];
/** What each call may answer. */
type Codes = Readonly<Record<Call, readonly string[]>>;

/** A fault that lasts until it is ended. */
interface Fault {
  name: string;
  codes: Codes;
  /** Words that every refusal for it has. */
  says: RegExp;
  /** Brings it about; resolves to what ends it. */
  begin(node: TestNode, store: string): Promise<() => Promise<void>>;
}

const SAVED = ["OK"];

function codesOf(code: string, more: Partial<Codes> = {}): Codes {
  return {
    init: [code],
    wait: SAVED,
    exists: SAVED,
    snapshot: [code],
    backup: [code],
    // The final backup failed: the content stays.
    dispose: ["DATA_LOSS"],
    ...more,
  };
}

const NO_BLOCKS: Fault = {
  name: "no blocks",
  codes: codesOf("RESOURCE_EXHAUSTED"),
  says: /no space left.*; make room on the \w+ file system at /s,
  begin(node) {
    const ballast = join(node.root, "ballast");
    Deno.mkdirSync(ballast);
    fillDisk(ballast);
    return Promise.resolve(() => Deno.remove(ballast, { recursive: true }));
  },
};

const NO_INODES: Fault = {
  name: "no inodes",
  codes: codesOf("RESOURCE_EXHAUSTED"),
  says: /no inodes.*; make room on the \w+ file system at /s,
  begin(node) {
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
const SOME_BLOCKS: Fault = {
  ...NO_BLOCKS,
  codes: codesOf("RESOURCE_EXHAUSTED", {
    init: ["OK", "RESOURCE_EXHAUSTED"],
    snapshot: ["OK", "RESOURCE_EXHAUSTED"],
    backup: ["OK", "RESOURCE_EXHAUSTED"],
    dispose: ["OK", "DATA_LOSS"],
  }),
};

/** As after an error that ext4 finds: every later write is refused. */
const READ_ONLY: Fault = {
  name: "a file system that became read-only",
  codes: codesOf("FAILED_PRECONDITION"),
  says: /read-only \(\w+\); .*mount .*for writing/s,
  async begin(node) {
    const device = await source(node.root);
    await run("/", "mount", "-o", "remount,errors=remount-ro", node.root);
    Deno.writeTextFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, "1");
    return () => mountAgain(node);
  },
};

/** As after a disk that is gone: the kernel lets nothing more through. */
const DISK_FAILS: Fault = {
  name: "a disk that fails",
  codes: codesOf("FAILED_PRECONDITION"),
  says: /input\/output error\) \(\w+\); see the kernel's log .* the \w+ file system at /s,
  async begin(node) {
    const ioctl = "import fcntl,os,struct,sys; " +
      "fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";
    await run("/", "python3", "-c", ioctl, node.root);
    return () => mountAgain(node);
  },
};

const NO_DESCRIPTORS: Fault = {
  name: "no descriptors",
  codes: codesOf("RESOURCE_EXHAUSTED", {
    // What is at hand may suffice for a small one.
    snapshot: ["OK", "RESOURCE_EXHAUSTED"],
    backup: ["OK", "RESOURCE_EXHAUSTED"],
    init: ["OK", "RESOURCE_EXHAUSTED"],
    dispose: ["OK", "DATA_LOSS"],
  }),
  says: /too many files are open.*LimitNOFILE/s,
  async begin(node) {
    const { pid } = node.daemon;
    const open = new Set([...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => Number(name)));
    let lowest = 0;
    while (open.has(lowest)) lowest++;
    await run("/", "prlimit", "--pid", String(pid), `--nofile=${lowest}:`);
    return async () => void await run("/", "prlimit", "--pid", String(pid), "--nofile=4096:");
  },
};

const STORE_GONE: Fault = {
  name: "a store that is gone",
  codes: codesOf("UNAVAILABLE"),
  says: /is its file system mounted\?/,
  begin(_node, store) {
    Deno.renameSync(store, `${store}.away`);
    return Promise.resolve(() => Deno.rename(`${store}.away`, store));
  },
};

async function source(mountPoint: string): Promise<string> {
  const device = await run("/", "findmnt", "--noheadings", "--output", "SOURCE", mountPoint);
  return new TextDecoder().decode(device).trim().split("/").at(-1)!;
}

/** What an operator does about a file system that has failed: mounts it again, and restarts. */
async function mountAgain(node: TestNode): Promise<void> {
  await node.end("SIGKILL");
  await run("/", "umount", node.root);
  await run("/", "mount", "-o", "loop", `${node.root}.img`, node.root);
  await node.startAgain();
}

/** Where a root can be, and what to mount for it. */
const FILE_SYSTEMS: Readonly<Record<string, (at: string) => Disposable>> = {
  ext4: (at) => smallDisk(at, 32 * MIB, "ext4"),
  xfs: (at) => smallDisk(at, undefined, "xfs"),
  btrfs: (at) => smallDisk(at, undefined, "btrfs"),
  tmpfs: (at) => {
    Deno.mkdirSync(at);
    return smallFileSystem(at, 16 * MIB, 600);
  },
  overlay: (at) => {
    using stack = new DisposableStack();
    stack.use(smallDisk(`${at}.disk`, 32 * MIB, "ext4"));
    const beneath = join(`${at}.disk`, "o");
    Deno.mkdirSync(beneath);
    stack.use(overlayFileSystem(beneath));
    Deno.symlinkSync(beneath, at);
    return stack.move();
  },
};

const ROWS: readonly (readonly [fileSystem: string, fault: Fault])[] = [
  ["ext4", NO_BLOCKS],
  ["xfs", NO_BLOCKS],
  ["btrfs", SOME_BLOCKS],
  ["tmpfs", NO_BLOCKS],
  ["overlay", NO_BLOCKS],
  ["tmpfs", NO_INODES],
  ["ext4", READ_ONLY],
  ["ext4", DISK_FAILS],
  ["xfs", DISK_FAILS],
  ["ext4", NO_DESCRIPTORS],
  ["ext4", STORE_GONE],
];

async function outcomeOf(call: () => Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await call();
    return { code: "OK", message: "" };
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    return { code: error.code, message: error.message };
  }
}

/** What work in progress leaves, which nothing must when there is none. */
function leftovers(root: string): string[] {
  return ["staging", "trash", "spool", "git"].flatMap((area) =>
    [...Deno.readDirSync(join(root, "tmp", area))].map(({ name }) => `${area}/${name}`)
  );
}

async function checkFault(fileSystem: string, fault: Fault): Promise<void> {
  using folder = testFolder();
  using _disk = FILE_SYSTEMS[fileSystem]!(join(folder.path, "node"));
  const store = join(folder.path, "store");
  const config = {
    storage: { kind: "fs", path: store },
    backup: { attempts: 1 },
    // What is looked at is what an init runs into, not what keeps it from beginning.
    disk: { initPercent: 0 },
  };
  await using node = await TestNode.start(folder.path, "node", { config });
  const file = join(node.workspace("kept"), "file");
  await node.client.initWorkspace(request("kept"));
  await Deno.writeFile(file, randomBytes(MIB));
  await node.client.backupWorkspace("kept");
  await Deno.writeFile(`${file}2`, randomBytes(MIB));
  // What the disk does not have yet is the first to go with it.
  await run("/", "sync", "--file-system", node.root);
  const before = await readTree(node.workspace("kept"));

  const end = await fault.begin(node, store);
  const { client } = node;
  const calls: Readonly<Record<Call, () => Promise<unknown>>> = {
    init: () => client.initWorkspace(fromBackup("new")),
    wait: () => client.waitForInit("kept"),
    exists: () => client.isWorkspaceExists("kept"),
    snapshot: () => client.takeSnapshot({ id: "kept" }),
    backup: () => client.backupWorkspace("kept"),
    dispose: () => client.disposeWorkspace({ id: "kept", backup: true }),
  };
  const answers = new Map<Call, string>();
  for (const call of CALLS) {
    const { code, message } = await outcomeOf(calls[call]);
    answers.set(call, code);
    const what = `${call} with ${fault.name} on ${fileSystem}: ${code} ${message}`;
    assert(fault.codes[call].includes(code), what);
    assertNotEquals(code, "INTERNAL", what);
    if (code !== "OK") assert(fault.says.test(message), what);
  }
  await end();

  await serves(node, answers, before);
}

/** Nothing is left behind, what was there still is, and all calls do again what they are for. */
async function serves(
  { client, root }: TestNode,
  answers: ReadonlyMap<Call, string>,
  before: unknown,
): Promise<void> {
  const made = answers.get("init") === "OK";
  assertEquals(await client.isWorkspaceExists("new"), made);
  if (made) await client.disposeWorkspace({ id: "new" });
  const isKept = answers.get("dispose") !== "OK";
  assertEquals(await client.isWorkspaceExists("kept"), isKept);
  if (isKept) {
    assertEquals(await readTree(join(root, "workspaces", "kept")), before);
    await client.disposeWorkspace({ id: "kept", backup: true });
  }
  assertEquals(leftovers(root), []);
  await client.initWorkspace(fromBackup("again"));
  assertEquals(await readTree(join(root, "workspaces", "again")), before);
  await client.takeSnapshot({ id: "again" });
  await client.disposeWorkspace({ id: "again" });
  assertEquals(leftovers(root), []);
}

const LOOP_KINDS: Readonly<Record<string, DiskKind>> = { xfs: "xfs", btrfs: "btrfs" };

for (const [fileSystem, fault] of ROWS) {
  const can = canMountDisk(LOOP_KINDS[fileSystem] ?? "ext4") && has("prlimit") && has("python3");
  Deno.test({
    name:
      `with ${fault.name} on ${fileSystem} each call has its code, nothing is left, all is well after${
        can ? "" : " (ignored: needs root, loop devices, mkfs, prlimit, python3)"
      }`,
    ignore: !can,
    fn: () => checkFault(fileSystem, fault),
  });
}
