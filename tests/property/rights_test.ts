/**
 * Any tree, restored by a daemon that may make no devices, give nothing away and set no privileged
 * attribute: it is the same but for what the metrics count.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { FROM_SOURCE } from "../../scripts/daemon_process.ts";
import { findProgram } from "../../src/process/find_program.ts";
import { withoutExtents } from "../content/image_fixture.ts";
import { fromBackup, request, TestNode } from "../e2e/node.ts";
import { testFolder } from "../fixtures/folder.ts";
import { runs } from "../fixtures/soak.ts";
import {
  assertSameTree,
  type Bytes,
  device,
  directory,
  fifo,
  file,
  hardlink,
  makeTree,
  type Metadata,
  readTree,
  sparse,
  symlink,
  type TreeEntry,
  type TreeNode,
  type TreeTable,
} from "../fixtures/tree.ts";

const SETPRIV = findProgram("setpriv", Deno.env.get("PATH") ?? "");
const CAN_DROP = Deno.uid() === 0 && SETPRIV !== undefined;
const LACKING = "--bounding-set=-mknod,-chown,-setfcap,-sys_admin";

const owner = fc.constantFrom(
  { uid: 0, gid: 0 },
  { uid: 0, gid: 0 },
  { uid: 77, gid: 88 },
  { uid: 0, gid: 88 },
);
const mode = fc.oneof(fc.constantFrom(0o644, 0o755, 0o600, 0o4755, 0o2711), fc.nat(0o7777));
const mtime = fc.oneof(
  fc.constantFrom(0n, -1n, -1_000_000_001n, 1_234_567_890_123_456_789n),
  fc.bigInt(0n, 2n ** 31n * 1_000_000_000n),
);
const CAPABILITY = Uint8Array.of(0, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
const ATTRIBUTES: Record<string, Bytes> = {
  "security.capability": CAPABILITY,
  "trusted.overlay.opaque": "y",
  "user.empty": "",
  "user.note": Uint8Array.of(0, 255, 61),
};
const attributes = (names: readonly string[]) =>
  fc.subarray([...names]).map((chosen) =>
    Object.fromEntries(chosen.map((name) => [name, ATTRIBUTES[name]!]))
  );
const plain = fc.record({ owner, mode, mtime });
const withAttributes = (names: readonly string[]): fc.Arbitrary<Metadata> =>
  fc.record({ owner, mode, mtime, xattrs: attributes(names) });

const leaf: fc.Arbitrary<TreeNode | "link"> = fc.oneof(
  fc.tuple(fc.string({ maxLength: 30 }), withAttributes(Object.keys(ATTRIBUTES)))
    .map(([content, metadata]) => file(content, metadata)),
  plain.map((metadata) => sparse(200_000, [[100_000, "data"]], metadata)),
  fc.tuple(fc.constantFrom("a", "/etc/passwd", "x".repeat(900)), fc.record({ owner, mtime }))
    .map(([target, metadata]) => symlink(target, metadata)),
  plain.map((metadata) => fifo(metadata)),
  fc.tuple(fc.constantFrom([1, 3], [7, 0], [0, 0]), plain)
    .map(([[major, minor], metadata]) => device(major!, minor!, metadata)),
  fc.constant("link" as const),
);

const folder = withAttributes(["trusted.overlay.opaque", "user.note"])
  .map((metadata) => directory(metadata));

/** Folders within each other or side by side, and what is in them; links name an earlier entry. */
const tree: fc.Arbitrary<TreeTable> = fc.record({
  folders: fc.array(fc.tuple(fc.boolean(), folder), { maxLength: 4 }),
  leaves: fc.array(fc.tuple(fc.nat(), fc.nat(), leaf), { maxLength: 25 }),
}).map(({ folders, leaves }) => {
  const rows: [string, TreeNode][] = [];
  const places = [""];
  for (const [n, [isDeep, node]] of folders.entries()) {
    const place = `${isDeep ? places.at(-1) : ""}d${n}/`;
    places.push(place);
    rows.push([place.slice(0, -1), node]);
  }
  const targets: string[] = [];
  for (const [n, [where, target, node]] of leaves.entries()) {
    const prefix = ["f", ".wh.", "ü\n"][n % 3]!;
    const path = `${places[where % places.length]}${prefix}${n}`;
    if (node !== "link") rows.push([path, node]);
    else if (targets.length > 0) rows.push([path, hardlink(targets[target % targets.length]!)]);
    else continue;
    if (node !== "link") targets.push(path);
  }
  return rows;
});

/** What a daemon that lacks those rights makes of a tree, and what it counts. */
function restrict(whole: readonly TreeEntry[]) {
  const counts: Record<string, number> = {};
  const count = (kind: string, by = 1) => counts[kind] = (counts[kind] ?? 0) + by;
  const left: TreeEntry[] = [];
  for (const entry of whole) {
    const isFirst = entry.sameAs === undefined || entry.sameAs === entry.path;
    if (entry.type === "device" && !isWhiteout(entry)) {
      count("missing");
      continue;
    }
    const isOwned = entry.uid === 0 && entry.gid === 0;
    const bits = parseInt(entry.mode, 8);
    const isCut = !isOwned && entry.type !== "symlink" && (bits & 0o6000) !== 0;
    const attributes = Object.entries(entry.xattrs ?? {});
    const kept = attributes.filter(([name]) => name.startsWith("user."));
    if (isFirst) {
      if (!isOwned) count("owner");
      if (isCut) count("set-id");
      if (kept.length < attributes.length) count("xattr", attributes.length - kept.length);
    }
    const { xattrs: _, ...rest } = entry;
    left.push({
      ...rest,
      uid: 0,
      gid: 0,
      mode: (isCut ? bits & 0o1777 : bits).toString(8).padStart(4, "0"),
      ...(kept.length > 0 ? { xattrs: Object.fromEntries(kept) } : {}),
    });
  }
  return { left, counts };
}

/** The counts of what was left out so far, missing entries of every kind together. */
async function counted(node: TestNode): Promise<Record<string, number>> {
  const port = /Metrics are on 127\.0\.0\.1:(\d+)/.exec(node.daemon.log)![1];
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const counts: Record<string, number> = {};
  for (const [, kind, n] of text.matchAll(/not_restored_total\{kind="([\w-]+)"\} (\d+)/g)) {
    const name = kind === "device" || kind === "link" ? "missing" : kind!;
    counts[name] = (counts[name] ?? 0) + Number(n);
  }
  return counts;
}

function difference(after: Record<string, number>, before: Record<string, number>) {
  return Object.fromEntries(
    Object.entries(after).map(([kind, n]) => [kind, n - (before[kind] ?? 0)] as const)
      .filter(([, n]) => n > 0),
  );
}

/** A character device 0:0, which needs no capability. */
const isWhiteout = ({ device }: TreeEntry) => device?.[0] === 0 && device[1] === 0;

/** What the devices are that could not be made, whatever they are called. */
function devices(tree: readonly TreeEntry[]): string[] {
  const firsts = tree.filter((entry) =>
    entry.type === "device" && !isWhiteout(entry) &&
    (entry.sameAs === undefined || entry.sameAs === entry.path)
  );
  return firsts.map(({ device, mode, uid, gid, mtime }) =>
    JSON.stringify([device, mode, uid, gid, mtime])
  ).sort();
}

const pathsOf = (tree: readonly TreeEntry[]) =>
  tree.filter((entry) => entry.type !== "device" || isWhiteout(entry)).map(({ path }) => path);

Deno.test({
  name:
    `any tree comes back to a daemon with fewer rights, but for what it counts, and whole from there${
      CAN_DROP ? "" : " (ignored: needs root and setpriv)"
    }`,
  ignore: !CAN_DROP,
  async fn() {
    using testing = testFolder();
    const storage = { kind: "fs", path: join(testing.path, "store") };
    await using able = await TestNode.start(testing.path, "able", { config: { storage } });
    await using unable = await TestNode.start(testing.path, "unable", {
      config: { storage, metrics: { listen: "127.0.0.1:0" } },
      command: [SETPRIV!, LACKING, "--no-new-privs", ...FROM_SOURCE],
    });
    let lacked = 0;
    await fc.assert(
      fc.asyncProperty(tree, async (table) => {
        const id = crypto.randomUUID();
        const metadata = { owner: "alice", metaId: id };
        await able.client.initWorkspace(request(`w${id}`, { metadata }));
        await makeTree(able.workspace(`w${id}`), table);
        const whole = await readTree(able.workspace(`w${id}`));
        await able.client.disposeWorkspace({ id: `w${id}`, backup: true });

        const before = await counted(unable);
        await unable.client.initWorkspace({ ...fromBackup(`u${id}`), metadata });
        const { left, counts } = restrict(whole);
        const restored = await readTree(unable.workspace(`u${id}`));
        assertSameTree(withoutExtents(restored), withoutExtents(left));
        assertEquals(difference(await counted(unable), before), counts);
        lacked += counts.missing ?? 0;

        await unable.client.disposeWorkspace({ id: `u${id}`, backup: true });
        await able.client.initWorkspace({ ...fromBackup(`b${id}`), metadata });
        const back = await readTree(able.workspace(`b${id}`));
        assertEquals(devices(back), devices(whole));
        assertEquals(pathsOf(back), pathsOf(whole));
        await able.client.disposeWorkspace({ id: `b${id}` });
      }),
      { numRuns: runs(12, 400) },
    );
    assert(lacked > 0, "no tree had a device");
  },
});
