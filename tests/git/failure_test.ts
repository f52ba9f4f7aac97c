import { assertEquals } from "@std/assert";
import { GitFailure } from "../../src/git/failure.ts";

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
