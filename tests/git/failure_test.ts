import { assertEquals, assertRejects } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import { GitFailure } from "../../src/git/failure.ts";
import { startGit } from "../../src/git/process.ts";

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
