import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DaemonError, firstError } from "../../src/errors.ts";
import { failureOf, GitFailure } from "../../src/git/git_failure.ts";
import { type Ending, startGit } from "../../src/git/start_git.ts";
import { testFolder } from "../fixtures/folder.ts";

Deno.test("a failure of git says what was printed to stderr, else to stdout, without secrets", () => {
  const cases = [
    ["fatal: no s3cret\n", "a.txt: needs merge\n", "git stash: fatal: no ***"],
    ["", "a.txt: needs s3cret\n", "git stash: a.txt: needs ***"],
    ["", "", "git stash: exit code 1"],
  ] as const;
  for (const [stderr, printed, message] of cases) {
    const failure = new GitFailure("stash", { code: 1, stderr }, printed, ["s3cret"]);
    assertEquals(failure.message, message);
  }
});

Deno.test("a failure for what this machine lacks says so, with what to do", async () => {
  using folder = testFolder();
  const node = (code: string) => Object.assign(new Error(`spawn git ${code}`), { code });
  const git = (stderr: string, ending: Partial<Ending> = {}) =>
    new GitFailure("fetch", { code: 128, stderr, ...ending }, "", []);
  const cases: readonly (readonly [Error, string, string])[] = [
    [
      git(
        "error: file write error: No space left on device\nfatal: fetch-pack: invalid index-pack output\n",
      ),
      "RESOURCE_EXHAUSTED",
      "inodes are free now",
    ],
    [git("fatal: sha1 file 'x' write error. Out of diskspace"), "RESOURCE_EXHAUSTED", "make room"],
    [
      git("error: unable to create temporary file: Disk quota exceeded"),
      "RESOURCE_EXHAUSTED",
      "quota",
    ],
    [
      git("error: cannot create async process: Too many open files"),
      "RESOURCE_EXHAUSTED",
      "LimitNOFILE",
    ],
    [
      git("fatal: open /dev/null failed: Too many open files in system"),
      "RESOURCE_EXHAUSTED",
      "fs.file-max",
    ],
    [
      git("fatal: Out of memory, malloc failed (tried to allocate 1 bytes)"),
      "RESOURCE_EXHAUSTED",
      "MemoryMax",
    ],
    [git("error: index-pack died of signal 9"), "RESOURCE_EXHAUSTED", "MemoryMax"],
    [git("", { code: -1, signal: "SIGKILL" }), "RESOURCE_EXHAUSTED", "killed by SIGKILL"],
    [
      git("fatal: unable to create thread: Resource temporarily unavailable"),
      "RESOURCE_EXHAUSTED",
      "TasksMax",
    ],
    [
      git("error: cannot fork() for index-pack: Resource temporarily unavailable"),
      "RESOURCE_EXHAUSTED",
      "TasksMax",
    ],
    [
      git("error: unable to write file a: Read-only file system"),
      "FAILED_PRECONDITION",
      "for writing",
    ],
    [
      git("fatal: write error: Input/output error"),
      "FAILED_PRECONDITION",
      `${folder.path}: the disk fails`,
    ],
    [git("error: unable to open a: Structure needs cleaning"), "FAILED_PRECONDITION", "fsck"],
    [
      git("remote: fatal: write error: No space left on device"),
      "FAILED_PRECONDITION",
      "git fetch: remote: ",
    ],
    [
      git("ssh: connect to host x port 22: Resource temporarily unavailable"),
      "FAILED_PRECONDITION",
      "ssh: ",
    ],
    [node("ENOSPC"), "RESOURCE_EXHAUSTED", `${folder.path}: no space left`],
    [
      new DaemonError("FAILED_PRECONDITION", "Cannot start git", { cause: node("EMFILE") }),
      "RESOURCE_EXHAUSTED",
      "LimitNOFILE",
    ],
    [
      new DaemonError("FAILED_PRECONDITION", "Cannot start git", { cause: node("EAGAIN") }),
      "RESOURCE_EXHAUSTED",
      "TasksMax",
    ],
    [node("ENOENT"), "FAILED_PRECONDITION", `${folder.path}: it was moved or removed`],
    [node("EACCES"), "FAILED_PRECONDITION", `give wsdaemon's user access to ${folder.path}`],
    [new DaemonError("UNAVAILABLE", "nobody there"), "FAILED_PRECONDITION", "nobody there"],
    [new Error("a bug"), "INTERNAL", "a bug"],
  ];
  for (const [error, code, words] of cases) {
    const failure = await failureOf(error, folder.path);
    assertEquals(failure.code, code, failure.message);
    assertStringIncludes(failure.message, words);
    if (code === "RESOURCE_EXHAUSTED" && error instanceof GitFailure) assert(!error.transient);
  }
  const suppressed = new SuppressedError(node("EMFILE"), git("fatal: not a repository"));
  assertStringIncludes((await failureOf(firstError(suppressed), "/")).message, "not a repository");
});

Deno.test("a git that is not there any more fails what needs it, and nothing else", async () => {
  const { signal } = new AbortController();
  for (const more of [{}, { input: new Uint8Array(1) }, { answer: () => "\n" }]) {
    const none = { program: "/nonexistent/git", args: ["version"], cwd: "/", env: {}, signal };
    const git = startGit({ ...none, ...more });
    assertEquals(await Array.fromAsync(git.stdout), []);
    const error = await assertRejects(() => git.ended, DaemonError, "Cannot start git: ");
    assertEquals(error.code, "FAILED_PRECONDITION");
    git.kill();
  }
});
