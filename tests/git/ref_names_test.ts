import { assert, assertEquals } from "@std/assert";
import { isBranchName, isCommitName } from "../../src/git/ref_names.ts";

const GOOD = [
  "main",
  "feature/a",
  "a.b",
  "release-1.0",
  "ä",
  "a@b",
  "@a",
  "refs/heads/x",
  "v1.lockx",
];
const BAD = [
  "",
  "@",
  "HEAD",
  "-x",
  "a b",
  "a\tb",
  "a\x7f",
  "a..b",
  "a@{b",
  "a~1",
  "a^",
  "a:b",
  "a?",
  "a*",
  "a[b",
  "a\\b",
  "a.",
  "a/",
  "/a",
  "a//b",
  ".a",
  "a/.b",
  "a.lock",
  "a.lock/b",
];

Deno.test("branch names are those that git takes for branches", async () => {
  for (const [names, isGood] of [[GOOD, true], [BAD, false]] as const) {
    for (const name of names) assertEquals(isBranchName(name), isGood, JSON.stringify(name));
  }
  const args = [
    "-c",
    'for name; do git check-ref-format --branch "$name" && echo good || echo bad; done',
  ];
  const { stdout } = await new Deno.Command("sh", {
    args: [...args, "sh", ...GOOD, ...BAD],
    env: { GIT_DIR: "/dev/null" },
    stderr: "null",
  }).output();
  const answers = new TextDecoder().decode(stdout).split("\n")
    .filter((line) => line === "good" || line === "bad");
  // Git expands the shorthands "@" and "HEAD" rather than refusing them; an initializer must not.
  const expected = [...GOOD, ...BAD].map((name) =>
    isBranchName(name) || name === "@" || name === "HEAD" ? "good" : "bad"
  );
  assertEquals(answers.length, expected.length);
  answers.forEach((answer, n) =>
    assert(
      answer === expected[n] || ["@", "HEAD"].includes([...GOOD, ...BAD][n]!),
      `git finds ${JSON.stringify([...GOOD, ...BAD][n])} ${answer}`,
    )
  );
});

Deno.test("commit names are hashes of four digits or more", () => {
  for (const name of ["dead", "DEAD", "0123456789abcdef0123456789abcdef01234567", "a".repeat(64)]) {
    assert(isCommitName(name), name);
  }
  for (const name of ["", "abc", "main", "xyz1", "a".repeat(65), "dead beef", "dead\n"]) {
    assert(!isCommitName(name), JSON.stringify(name));
  }
});
