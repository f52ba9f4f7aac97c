/**
 * Trees of files as tables: made from one, and read into one that can be compared.
 *
 * Both by Python, so that neither our own system calls nor Deno's (which know neither bytes in names,
 * nor nanoseconds, nor attributes) judge what our system calls did.
 */

import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { PYTHON } from "./python.ts";

/** A name, path or target: text is UTF-8; odd bytes come as bytes. */
export type Bytes = string | Uint8Array;

export interface Metadata {
  /** Permission, set-id and sticky bits; 0644 or 0755 unless given. */
  mode?: number;
  owner?: { uid: number; gid: number };
  /** Nanoseconds since the epoch. */
  mtime?: bigint;
  xattrs?: Record<string, Bytes>;
}

interface Chunk {
  offset: number;
  bytes: string;
}

type Shape =
  | { type: "file"; chunks: Chunk[]; size: number }
  | { type: "symlink" | "hardlink"; target: string }
  | { type: "device"; major: number; minor: number }
  | { type: "directory" | "fifo" | "socket" };

/** One thing in a tree, made by the functions below. */
export interface TreeNode {
  shape: Shape;
  metadata: Metadata;
}

/** Paths below the top folder and what is there, parents first; `.` for the top folder itself. */
export type TreeTable = readonly (readonly [path: Bytes, node: TreeNode])[];

const bytes = (value: Bytes) => typeof value === "string" ? new TextEncoder().encode(value) : value;
const base64 = (value: Bytes) => Buffer.from(bytes(value)).toString("base64");

export function file(content: Bytes = "", metadata: Metadata = {}): TreeNode {
  const chunks = [{ offset: 0, bytes: base64(content) }];
  return { shape: { type: "file", chunks, size: bytes(content).length }, metadata };
}

/** A file that is a hole but for the chunks. */
export function sparse(
  size: number,
  chunks: readonly (readonly [offset: number, content: Bytes])[],
  metadata: Metadata = {},
): TreeNode {
  const encoded = chunks.map(([offset, content]) => ({ offset, bytes: base64(content) }));
  return { shape: { type: "file", chunks: encoded, size }, metadata };
}

export function directory(metadata: Metadata = {}): TreeNode {
  return { shape: { type: "directory" }, metadata: { mode: 0o755, ...metadata } };
}

export function symlink(target: Bytes, metadata: Omit<Metadata, "mode"> = {}): TreeNode {
  return { shape: { type: "symlink", target: base64(target) }, metadata };
}

/** Another name of what is at `path`, which comes earlier in the table. */
export function hardlink(path: Bytes): TreeNode {
  return { shape: { type: "hardlink", target: base64(path) }, metadata: {} };
}

export function fifo(metadata: Metadata = {}): TreeNode {
  return { shape: { type: "fifo" }, metadata };
}

export function socket(metadata: Metadata = {}): TreeNode {
  return { shape: { type: "socket" }, metadata };
}

/** A character device; making one needs root. */
export function device(major: number, minor: number, metadata: Metadata = {}): TreeNode {
  return { shape: { type: "device", major, minor }, metadata };
}

/** What {@link readTree} finds at a path. */
export interface TreeEntry {
  /** Below the top folder, `.` for that itself; bytes that are no UTF-8 read `\xNN`. */
  path: string;
  type: "file" | "directory" | "symlink" | "fifo" | "socket" | "device";
  /** Four octal digits. */
  mode: string;
  uid: number;
  gid: number;
  /** Nanoseconds since the epoch. */
  mtime: string;
  size?: number;
  sha256?: string;
  /** Where a file has data rather than holes, `[start, end)`. */
  data?: [number, number][];
  target?: string;
  device?: [number, number];
  /** Of an inode with several names, the one that sorts first. */
  sameAs?: string;
  /** Values in hexadecimal. */
  xattrs?: Record<string, string>;
}

/** Makes what the table says in an existing folder. */
export async function makeTree(root: string, table: TreeTable): Promise<void> {
  const rows = table.map(([path, { shape, metadata }]) => {
    const { mode = 0o644, owner, mtime, xattrs } = metadata;
    return [base64(path), {
      ...shape,
      mode,
      ...owner,
      ...(mtime === undefined ? {} : { mtime: String(mtime) }),
      ...(xattrs === undefined ? {} : {
        xattrs: Object.fromEntries(
          Object.entries(xattrs).map(([name, value]) => [name, base64(value)]),
        ),
      }),
    }];
  });
  await python("make_tree.py", root, JSON.stringify(rows));
}

/** Every entry of a tree, the top folder too, in the order of the paths' bytes. */
export async function readTree(root: string): Promise<TreeEntry[]> {
  return JSON.parse(await python("read_tree.py", root, "")) as TreeEntry[];
}

async function python(script: string, root: string, input: string): Promise<string> {
  const path = fromFileUrl(new URL(`./${script}`, import.meta.url));
  const command = new Deno.Command(PYTHON, {
    args: ["-IS", path, root],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  await using child = command.spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await output;
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${script} failed: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** Asserts that two trees are equal, naming only what differs. */
export function assertSameTree(
  actual: readonly { path: string }[],
  expected: readonly { path: string }[],
): void {
  const table = (tree: readonly { path: string }[]) =>
    new Map(tree.map((entry) => [entry.path, JSON.stringify(entry).slice(0, 400)]));
  const [have, want] = [table(actual), table(expected)];
  const differences = [...new Set([...have.keys(), ...want.keys()])]
    .filter((path) => have.get(path) !== want.get(path))
    .map((path) => ({ path, actual: have.get(path), expected: want.get(path) }));
  assertEquals(differences, []);
}
