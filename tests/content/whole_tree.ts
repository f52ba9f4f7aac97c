/** A tree that has everything a workspace can hold. */

import {
  type Bytes,
  device,
  directory,
  fifo,
  file,
  hardlink,
  socket,
  sparse,
  symlink,
  type TreeTable,
} from "../fixtures/tree.ts";
import { testFolder } from "../fixtures/folder.ts";
import { IS_ROOT } from "./fixture.ts";

const T = 1_600_000_000_123_456_789n;
const long = (length: number, letter = "n") => letter.repeat(length);
const raw = (...bytes: number[]) => Uint8Array.from(bytes);

function random(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = Math.imul(state, 1103515245) + 12345 >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

/** Raw bytes one after the other. */
function joined(...parts: Bytes[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((
      part,
    ) => [...(typeof part === "string" ? new TextEncoder().encode(part) : part)]),
  );
}

const deep = Array.from({ length: 20 }, (_, n) => `${long(60, "d")}${n}`);
const oddName = raw(0xff, 0xfe, 0x20, 0xc3);
const longOddName = Uint8Array.from([...raw(0xe9), ...new Uint8Array(200).fill(0x6f)]);

/** overlayfs makes none, since they are its own. */
function takesWhiteouts(): boolean {
  using folder = testFolder();
  const args = [`${folder.path}/whiteout`, "c", "0", "0"];
  return new Deno.Command("mknod", { args, stderr: "null" }).outputSync().success;
}

const owned: TreeTable = IS_ROOT
  ? [
    ["owned", directory({ owner: { uid: 33333, gid: 33334 } })],
    ["owned/file", file("x", { owner: { uid: 1000, gid: 1001 }, mode: 0o4755 })],
    ["owned/big-ids", file("x", { owner: { uid: 3_000_000, gid: 4_000_000_000 } })],
    ["owned/link", symlink("file", { owner: { uid: 1000, gid: 1001 } })],
    ["owned/fifo", fifo({ owner: { uid: 1000, gid: 1001 }, mode: 0o640 })],
    ["device", device(1, 3, { mode: 0o666, mtime: T })],
    ["linked-device", hardlink("device")],
    ...(takesWhiteouts() ? [["overlay-whiteout", device(0, 0)] as const] : []),
    ["trusted", file("x", { xattrs: { "trusted.t": "v" } })],
    ["trusted-link", symlink("x", { xattrs: { "trusted.t": "v" } })],
  ]
  : [];

/** Every kind of entry, name and metadata. */
export const WHOLE_TREE: TreeTable = [
  [".", directory({ mode: 0o751, mtime: T + 1n })],
  ["empty", file("", { mtime: T })],
  ["text", file("hello\n", { mtime: T, mode: 0o640 })],
  ["before-epoch", file("old", { mtime: -1_500_000_000n })],
  ["far-future", file("new", { mtime: 20_000_000_000_000_000_001n })],
  ["exact-second", file("s", { mtime: 1_500_000_000_000_000_000n })],
  ["one-block", file(random(512, 1))],
  ["frame-sized", file(random(1 << 20, 2))],
  ["several-frames", file(random(3_500_001, 3))],
  ["modes", directory({ mode: 0o1777, mtime: T })],
  ...[0o000, 0o400, 0o777, 0o4755, 0o2755, 0o1644, 0o7777].map((mode) =>
    [`modes/${mode.toString(8)}`, file("m", { mode, mtime: T })] as const
  ),
  ["set-gid-directory", directory({ mode: 0o2775 })],
  ["read-only", directory({ mode: 0o555, mtime: T })],
  ["read-only/inner", directory({ mode: 0o500, mtime: T })],
  ["read-only/inner/file", file("locked", { mode: 0o400 })],
  ["read-only/link", symlink("inner/file", { mtime: T })],
  ["empty-directory", directory({ mtime: T - 5n })],
  ["empty-directories", directory()],
  ["empty-directories/a", directory()],
  ["empty-directories/a/b", directory({ mode: 0o700, mtime: T })],
  ["dangling", symlink("nowhere/at/all", { mtime: T })],
  ["absolute", symlink("/etc/passwd")],
  ["itself", symlink("itself")],
  ["upwards", symlink("../../..")],
  ["to-directory", symlink("modes")],
  // As long as XFS takes.
  ["long-target", symlink(long(1023, "t"))],
  ["odd-target", symlink(raw(0xff, 0x2f, 0xfe))],
  ["long-odd-target", symlink(longOddName)],
  ["linked", file("several names", { mtime: T, mode: 0o600 })],
  ["linked-2", hardlink("linked")],
  ["modes/linked-3", hardlink("linked")],
  ["empty-linked", file("")],
  ["empty-linked-2", hardlink("empty-linked")],
  ["linked-symlink", symlink("x", { mtime: T })],
  ["linked-symlink-2", hardlink("linked-symlink")],
  ["modes/linked-symlink-3", hardlink("linked-symlink")],
  ["fifo", fifo({ mode: 0o620, mtime: T })],
  ["modes/linked-fifo", hardlink("fifo")],
  ["socket", socket()],
  ["sparse", sparse(50_000_000, [[4096, "start"], [20_000_000, "middle"], [49_999_990, "end"]])],
  ["sparse-end", sparse(10_000_000, [[0, "data"]], { mtime: T, mode: 0o600 })],
  ["all-hole", sparse(1_000_000, [])],
  ["sparse-é", sparse(1_000_000, [[500_000, "x"]])],
  [joined("sparse-", oddName), sparse(1_000_000, [[500_000, "x"]])],
  [
    "attributes",
    file("a", {
      mtime: T,
      xattrs: { "user.plain": "value", "user.binary": raw(0, 1, 255, 10), "user.empty": "" },
    }),
  ],
  [
    "odd-attributes",
    file("a", {
      xattrs: { "user.a=b": "equals", "user.new\nline": "n", "user.é %": "text", "user.=": "e" },
    }),
  ],
  ["read-only-attributes", file("a", { mode: 0o444, xattrs: { "user.x": "y" } })],
  ["attributed-directory", directory({ mode: 0o755, xattrs: { "user.dir": "d" } })],
  ["big-attribute", file("a", { xattrs: { "user.big": long(3000, "v") } })],
  [".wh.file", file("no whiteout", { mtime: T })],
  [".wh..wh..opq", file("no opaque whiteout")],
  [".wh.directory", directory()],
  [".wh.directory/file", file("inside")],
  [".wh.directory/.wh.x", symlink("y")],
  [".wh.linked", hardlink("linked")],
  [".wsdaemon.wh.file", file("looks like a stand-in")],
  [`.wh.${long(250)}`, file("longest")],
  [" ", file("space")],
  ["-rf", file("dash")],
  ["new\nline", file("newline")],
  ["back\\slash", file("backslash")],
  ["quote\"'`$(x)", file("quotes")],
  ["tab\there", directory()],
  ["é-ü-漢字-🎉", file("text")],
  [oddName, file("odd")],
  ["odd", directory()],
  [joined("odd/", longOddName), file("long and odd")],
  [joined("odd/", raw(0x80)), directory({ mtime: T })],
  [joined("odd/", raw(0x80), "/below"), file("below")],
  [long(255), file("longest name")],
  ["n100", directory()],
  [`n100/${long(95)}`, file("exactly 100")],
  [`n100/${long(96)}`, file("101")],
  [`${long(154, "p")}`, directory()],
  [`${long(154, "p")}/${long(100)}`, file("fills prefix and name")],
  [`${long(154, "p")}/${long(101)}`, file("exceeds them")],
  ...deep.map((_, n) => [deep.slice(0, n + 1).join("/"), directory()] as const),
  [`${deep.join("/")}/file`, file("deep down", { mtime: T })],
  [`${deep.join("/")}/link`, hardlink("linked")],
  ...Array.from(
    { length: 300 },
    (_, n) => [`modes/many-${n}`, file(random(n * 7, n), { mtime: T + BigInt(n) })] as const,
  ),
  ...owned,
];
