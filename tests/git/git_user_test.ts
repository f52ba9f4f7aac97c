import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import { gitUser } from "../../src/git/git_user.ts";
import { addCommits, fileUrl, makeRemote } from "../fixtures/git_repos.ts";
import { cloned, gitFixture, isRoot, request } from "./fixture.ts";

const COMMITS = [{ branch: "main", subject: "first", files: { "a.txt": "one\n" } }];
const USER = { uid: 33333, gid: 33333 };
const ROOT = { uid: 0, gid: 0 };

Deno.test("git runs as the folder's owner, and as root only where all content is root's", () => {
  assertEquals(gitUser({ uid: 7, gid: 8 }, USER, ""), { uid: 7, gid: 8 });
  assertEquals(gitUser({ uid: 7, gid: 0 }, USER, ""), { uid: 7, gid: 33333 });
  assertEquals(gitUser(ROOT, ROOT, ""), ROOT);
});

Deno.test({
  name: "git does not run on a folder of root's unless content is root's",
  ignore: !isRoot,
  async fn() {
    await using fixture = await gitFixture();
    const remote = makeRemote(join(fixture.remotes, "r.git"), COMMITS);
    const what = request(fileUrl(remote));
    const { tree, path } = await cloned(fixture, what, "repo");
    new Deno.Command("chown", { args: ["-R", "0:0", path] }).outputSync();
    addCommits(remote, [{ branch: "main", subject: "second", files: { "b.txt": "b\n" } }]);
    const place = { tree, location: "repo", signal: new AbortController().signal };
    for (
      const act of [() => fixture.git.update(what, place), () => fixture.git.status(tree, "repo")]
    ) {
      const error = await assertRejects(act, DaemonError, '"repo" belongs to root');
      assertEquals(error.code, "FAILED_PRECONDITION");
    }
    const ofRoot = await fixture.other({ contentOwner: ROOT });
    await ofRoot.update(what, place);
    assertEquals(Deno.statSync(join(path, "b.txt")).uid, 0);
    assertEquals((await ofRoot.status(tree, "repo"))?.totalUncommittedFiles, 0);
  },
});
