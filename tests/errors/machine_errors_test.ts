import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import {
  asDaemonError,
  configureFileSystems,
  DaemonError,
  errnoOf,
  type ErrorCode,
  firstError,
  machineError,
  reasonOf,
  refusalOf,
} from "../../src/errors.ts";
import { SystemError } from "../../src/linux/mod.ts";
import { testFolder } from "../fixtures/folder.ts";

function withErrno(code: string): Error {
  return Object.assign(new Error(`${code}: what it is called, open '/data/x'`), { code });
}

Deno.test("each errno of a machine has a code, words, the file system and a remedy", () => {
  configureFileSystems(() => [
    { mountPoint: "/", type: "overlay" },
    { mountPoint: "/data", type: "ext4" },
    { mountPoint: "/database", type: "xfs" },
  ]);
  const onDisk = "the ext4 file system at /data";
  const cases: [string, ErrorCode, string][] = [
    ["ENOSPC", "RESOURCE_EXHAUSTED", onDisk],
    ["EDQUOT", "RESOURCE_EXHAUSTED", onDisk],
    ["EFBIG", "RESOURCE_EXHAUSTED", onDisk],
    ["EMFILE", "RESOURCE_EXHAUSTED", "LimitNOFILE"],
    ["ENFILE", "RESOURCE_EXHAUSTED", "fs.file-max"],
    ["ENOMEM", "RESOURCE_EXHAUSTED", "MemoryMax"],
    ["EIO", "FAILED_PRECONDITION", onDisk],
    ["EUCLEAN", "FAILED_PRECONDITION", onDisk],
    ["EROFS", "FAILED_PRECONDITION", onDisk],
    ["ESTALE", "UNAVAILABLE", onDisk],
    ["ENOTCONN", "UNAVAILABLE", onDisk],
    ["EACCES", "FAILED_PRECONDITION", "/data/x"],
    ["EPERM", "FAILED_PRECONDITION", "/data/x"],
  ];
  for (const [errno, code, words] of cases) {
    const error = asDaemonError(withErrno(errno), "INTERNAL", "Cannot do it");
    assertEquals(error.code, code, errno);
    assertMatch(error.message, new RegExp(`^Cannot do it: /data/x: .+ \\(${errno}\\); `));
    assertStringIncludes(error.message, words);
  }
  configureFileSystems(() => []);
});

Deno.test("an errno that says more of a path than of the machine is nobody's but its caller's", () => {
  for (const errno of ["ENOENT", "EEXIST", "ENOTDIR", "EISDIR", "EPIPE"]) {
    assertEquals(machineError(withErrno(errno)), undefined);
    assertEquals(asDaemonError(withErrno(errno), "INTERNAL").code, "INTERNAL");
    assert(!reasonOf(withErrno(errno)).includes(errno), errno);
  }
  assertEquals(machineError(withErrno("ENOENT"), { otherwise: "NOT_FOUND" })?.code, "NOT_FOUND");
  const own = machineError(withErrno("ENOENT"), { isOwnFile: true });
  assertEquals(own?.code, "FAILED_PRECONDITION");
  assertStringIncludes(own!.message, "restart wsdaemon");
});

Deno.test("what is thrown while clearing away does not hide what went wrong, nor the reverse", () => {
  const full = withErrno("ENOSPC");
  const descriptors = withErrno("EMFILE");
  const known = new DaemonError("NOT_FOUND", "no such snapshot");
  const bug = new TypeError("x is not a function");
  const cases: [unknown, ErrorCode][] = [
    [new SuppressedError(bug, descriptors), "RESOURCE_EXHAUSTED"],
    [new SuppressedError(descriptors, bug), "RESOURCE_EXHAUSTED"],
    [new SuppressedError(descriptors, known), "NOT_FOUND"],
    [new SuppressedError(bug, new SuppressedError(bug, known)), "NOT_FOUND"],
    [new AggregateError([bug, full]), "RESOURCE_EXHAUSTED"],
    [new Error("Cannot pack", { cause: full }), "RESOURCE_EXHAUSTED"],
    [new Error("Cannot pack", { cause: new SuppressedError(bug, full) }), "RESOURCE_EXHAUSTED"],
    [new SuppressedError(bug, bug), "INTERNAL"],
    [bug, "INTERNAL"],
  ];
  for (const [error, code] of cases) assertEquals(asDaemonError(error, "INTERNAL").code, code);
  assertEquals(firstError(new SuppressedError(descriptors, bug)), descriptors);
});

Deno.test("errors of Deno, of system calls and of SQLite tell their errno", () => {
  using folder = testFolder();
  const thrown = (work: () => unknown) => {
    try {
      work();
    } catch (error) {
      return error;
    }
    throw new Error("nothing was thrown");
  };
  const file = `${folder.path}/file`;
  Deno.writeTextFileSync(file, "no database, and long enough to be looked at as one ".repeat(100));
  const database = new DatabaseSync(`${folder.path}/db`);
  database.exec("CREATE TABLE t (x)");
  Deno.renameSync(`${folder.path}/db`, `${folder.path}/moved`);
  const insert = database.prepare("INSERT INTO t VALUES (1)");
  const cases: [unknown, string][] = [
    [thrown(() => insert.run()), "SQLITE_READONLY_DBMOVED"],
    [thrown(() => database.exec("INSERT INTO t VALUES (1)")), "SQLITE_READONLY"],
    [thrown(() => Deno.writeFileSync("/dev/full", new Uint8Array(1))), "ENOSPC"],
    [thrown(() => Deno.readFileSync("/proc/self/mem")), "EIO"],
    [thrown(() => Deno.openSync(`${file}/x`)), "ENOTDIR"],
    [new Error("Quota exceeded (os error 122)"), "EDQUOT"],
    [new SystemError("EROFS", "openat2", "staging/x"), "EROFS"],
    [thrown(() => new DatabaseSync(file).exec("SELECT 1 FROM x")), "SQLITE_NOTADB"],
    [thrown(() => new DatabaseSync(`${folder.path}/none/x`)), "SQLITE_CANTOPEN"],
  ];
  for (const [error, errno] of cases) assertEquals(errnoOf(error), errno);
});

Deno.test("advice for a refusal fits its cause", () => {
  const plain = { path: "/w/f", uid: 0, isImmutable: false, isAppendOnly: false };
  const folder = { ...plain, path: "/w" };
  const call = { errno: "EPERM", syscall: "openat2", uid: 0, entry: plain, folder };
  const cases: [Parameters<typeof refusalOf>[0], string][] = [
    [{ ...call, entry: { ...plain, isImmutable: true } }, "chattr -i /w/f"],
    [{ ...call, folder: { ...folder, isAppendOnly: true } }, "chattr -a /w"],
    [{ ...call, syscall: "mknodat" }, "CAP_MKNOD"],
    [{ ...call, syscall: "fchownat" }, "CAP_CHOWN"],
    [{ ...call, syscall: "setxattr trusted.x" }, "CAP_SYS_ADMIN"],
    [{ ...call, uid: 7 }, "it belongs to uid 0, and wsdaemon runs as uid 7"],
    [{ ...call, uid: 7, deletes: true }, "chown -R 7 /w)"],
    [{ ...call, entry: undefined, folder: undefined }, "security policy"],
  ];
  for (const [refused, words] of cases) {
    const { cause, remedy } = refusalOf(refused);
    assertStringIncludes(`${cause}; ${remedy}`, words);
  }
});
