import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { nanoseconds, O, SEEK, timespec } from "../../src/linux/mod.ts";
import { file, makeTree, readTree, sparse } from "../fixtures/tree.ts";
import { assertErrno, openFolder } from "./fixture.ts";

const text = (value: string) => new TextEncoder().encode(value);

Deno.test("a file is read and written in parts of buffers, at its position and elsewhere", () => {
  using at = openFolder();
  using made = at.dir.createFile("file");
  made.write(text("xxhello").subarray(2));
  made.writeAt(text("--J--").subarray(2, 3), 0);
  const buffer = new Uint8Array(8).fill(0x2e);
  assertEquals(made.readAt(buffer.subarray(1, 4), 1), 3);
  assertEquals(new TextDecoder().decode(buffer), ".ell....");
  assertEquals(made.seek(3), 3);
  assertEquals(made.read(buffer), 2);
  assertEquals(made.read(buffer), 0);
  assertEquals(made.read(new Uint8Array()), 0);
  assertEquals(made.seek(0, SEEK.END), 5);
  made.truncate(2);
  assertEquals(Deno.readTextFileSync(join(at.path, "file")), "Je");
});

Deno.test("offsets beyond 4 GiB are exact", () => {
  using at = openFolder();
  const far = 5 * 2 ** 32 + 12_345;
  {
    using made = at.dir.createFile("file");
    made.writeAt(text("far"), far);
    const buffer = new Uint8Array(3);
    assertEquals(made.readAt(buffer, far), 3);
    assertEquals(new TextDecoder().decode(buffer), "far");
    assertEquals(made.stat().size, far + 3);
    const { offset, length } = made.nextData(0)!;
    assertEquals(offset + length, far + 3);
    made.truncate(2 ** 33);
  }
  assertEquals(Deno.statSync(join(at.path, "file")).size, 2 ** 33);
});

Deno.test("the data of a sparse file is found where another program finds it", async () => {
  using at = openFolder();
  await makeTree(at.path, [
    ["holes", sparse(1 << 22, [[0, "start"], [1 << 20, "x".repeat(70_000)], [3 << 20, "x"]])],
    ["hole", sparse(1 << 20, [])],
    ["empty", file()],
    ["full", file("x".repeat(10_000))],
  ]);
  for (const { path, type, data } of await readTree(at.path)) {
    if (type !== "file") continue;
    using opened = at.dir.openFile(path);
    const ranges: [number, number][] = [];
    let end = 0;
    for (let extent = opened.nextData(0); extent; extent = opened.nextData(end)) {
      end = extent.offset + extent.length;
      ranges.push([extent.offset, end]);
    }
    assertEquals([path, ranges], [path, data!]);
  }
});

Deno.test("one file is copied to another by the kernel", () => {
  using at = openFolder();
  using source = at.dir.createFile("source");
  source.write(text("0123456789"));
  source.seek(2);
  using copy = at.dir.createFile("copy");
  assertEquals(copy.copyFrom(source, 3), 3);
  assertEquals(copy.copyFrom(source, 100), 5);
  assertEquals(copy.copyFrom(source, 100), 0);
  assertEquals(Deno.readTextFileSync(join(at.path, "copy")), "23456789");
});

Deno.test("a file that was opened for reading cannot be written", () => {
  using at = openFolder();
  at.dir.createFile("file").close();
  using opened = at.dir.openFile("file");
  assertErrno(() => opened.write(text("x")), "EBADF", "top/file");
  using writable = at.dir.openFile("file", O.WRONLY | O.APPEND);
  writable.write(text("x"));
  assertEquals(opened.stat().size, 1);
});

Deno.test("opening a FIFO that nobody writes to does not wait", () => {
  using at = openFolder();
  at.dir.makeFifo("pipe", 0o600);
  using opened = at.dir.openFile("pipe");
  assertEquals(opened.stat().isFile, false);
});

Deno.test("an attribute is set, replaced, read and removed; none is no error", () => {
  using at = openFolder();
  using made = at.dir.createFile("file");
  assertEquals(made.listXattrs(), []);
  assertEquals(made.getXattr("user.none"), undefined);
  made.setXattr("user.a", text("one"));
  made.setXattr("user.a", text("two"));
  made.setXattr(text("user.\xff"), new Uint8Array());
  assertEquals(made.getXattr("user.a"), text("two"));
  assertEquals(made.getXattr(text("user.\xff")), new Uint8Array());
  made.removeXattr("user.a");
  made.removeXattr("user.a");
  assertEquals(made.listXattrs(), [text("user.\xff")]);
  assertErrno(() => made.setXattr("nonsense", text("x")), "EOPNOTSUPP", "top/file");
});

Deno.test("times are the same as nanoseconds and as seconds with a rest", () => {
  const second = fc.integer({ min: -(2 ** 40), max: 2 ** 40 });
  const rest = fc.integer({ min: 0, max: 999_999_999 });
  fc.assert(fc.property(second, rest, (sec, nsec) => {
    assertEquals(timespec(nanoseconds({ sec, nsec })), { sec, nsec });
  }));
});
