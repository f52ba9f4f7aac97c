import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { inProcess } from "../cli/in_process.ts";
import { git, makeRemote, serveGit } from "../fixtures/git_repos.ts";
import { testFolder } from "../fixtures/folder.ts";
import { fromBackup, fromGit, refuses, request, sharedNode, type TestNode } from "./node.ts";

const shared = sharedNode({ config: { net: { allowLoopback: true }, shutdown: { grace: "0s" } } });

/** A Git server whose first answer to every clone comes when the test says so. */
function slowGit(folder: string) {
  makeRemote(join(folder, "repo"), [
    { branch: "main", subject: "First", files: { "a.txt": "a", "b.txt": "b" } },
  ]);
  let asked = Promise.withResolvers<void>();
  let answer = Promise.withResolvers<void>();
  const server = serveGit(folder, {
    intercept: async (request) => {
      if (!request.url.includes("info/refs")) return undefined;
      asked.resolve();
      await answer.promise;
      return undefined;
    },
  });
  return {
    uri: `${server.url}/repo`,
    asked: () => asked.promise,
    answer: () => answer.resolve(),
    hold() {
      answer.resolve();
      asked = Promise.withResolvers();
      answer = Promise.withResolvers();
    },
    async [Symbol.asyncDispose]() {
      answer.resolve();
      await server[Symbol.asyncDispose]();
    },
  };
}

Deno.test("an initialisation belongs to the daemon: callers come and go, disposal ends it", async () => {
  using folder = testFolder();
  await using server = slowGit(folder.path);
  const node = shared();
  const { client } = node;

  const caller = new AbortController();
  const init = client.initWorkspace(fromGit("w", server.uri), { signal: caller.signal });
  const left = refuses("CANCELLED", "", () => init);
  await server.asked();
  const waiting = client.waitForInit("w");
  await refuses("DEADLINE_EXCEEDED", "", () => client.waitForInit("w", { deadline: 50 }));
  caller.abort();
  await left;
  await refuses("ALREADY_EXISTS", "SETTING_UP", () => client.initWorkspace(request("w")));
  await refuses("FAILED_PRECONDITION", "SETTING_UP", () => client.takeSnapshot({ id: "w" }));
  await refuses("FAILED_PRECONDITION", "SETTING_UP", () => client.backupWorkspace("w"));
  await refuses(
    "FAILED_PRECONDITION",
    "never ready",
    () => client.disposeWorkspace({ id: "w", backup: true }),
  );
  assertEquals(leftovers(node).workspaces, [], "nothing half-made is visible");
  server.answer();
  await waiting;
  assertEquals(await Deno.readTextFile(join(node.workspace("w"), "a.txt")), "a");
  await client.disposeWorkspace({ id: "w" });

  server.hold();
  const cancelled = refuses(
    "ABORTED",
    "disposed of",
    () => client.initWorkspace(fromGit("w", server.uri)),
  );
  await server.asked();
  const waiter = refuses("FAILED_PRECONDITION", "disposed of", () => client.waitForInit("w"));
  // On the same connection, and so after it: the waiter waits by now.
  assertEquals(await client.disposeWorkspace({ id: "w" }), undefined);
  await Promise.all([cancelled, waiter]);
  assert(!await client.isWorkspaceExists("w"));
  assertEquals(leftovers(node), { workspaces: [], staging: [], spool: [] });
});

Deno.test("a shutdown ends an initialisation, and leaves nothing of it", async () => {
  using folder = testFolder();
  await using server = slowGit(folder.path);
  const node = shared();
  const ended = refuses(
    "UNAVAILABLE",
    "shutting down",
    () => node.client.initWorkspace(fromGit("w", server.uri)),
  );
  await server.asked();
  const [status] = await Promise.all([node.stop(), ended]);
  assertEquals(status.code, 0);
  await node.startAgain();
  assert(!await node.client.isWorkspaceExists("w"));
  assertEquals(leftovers(node), { workspaces: [], staging: [], spool: [] });
});

Deno.test("a missing branch is told to the caller, who may use our client", async () => {
  using folder = testFolder();
  await using server = slowGit(folder.path);
  server.answer();
  const { client, daemon } = shared();
  const { code, stderr } = await inProcess(
    ...["client", "--addr", daemon.addresses[0]!, "init", "--id", "w", "--owner", "a"],
    ...["--meta-id", "m", "--git", server.uri, "--branch", "nowhere"],
  );
  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, `warning: ${server.uri} has no branch or tag nowhere: `);
  await client.disposeWorkspace({ id: "w" });
});

Deno.test("a disposal answers the Git status as it was just before", async () => {
  using folder = testFolder();
  await using server = slowGit(folder.path);
  server.answer();
  const node = shared();
  const { client } = node;
  await client.initWorkspace(fromGit("w", server.uri, { checkoutLocation: "src/repo" }));
  const checkout = join(node.workspace("w"), "src", "repo");
  await Deno.writeTextFile(join(checkout, "a.txt"), "changed");
  await Deno.mkdir(join(checkout, "new"));
  for (const name of ["1", "2"]) await Deno.writeTextFile(join(checkout, "new", name), "");
  await Deno.writeTextFile(join(checkout, "b.txt"), "committed");
  git(checkout, "commit", "--quiet", "--message", "Second", "b.txt");
  const commit = git(checkout, "rev-parse", "HEAD");
  // A backup in between changes nothing of it, and is what the next one starts from.
  const status = await client.disposeWorkspace({ id: "w", backup: true });
  assert(status);
  const { $typeName: _, latestCommit, unpushedCommits, ...rest } = status;
  assertEquals(latestCommit, commit);
  assertEquals(unpushedCommits, [`${commit.slice(0, 7)}: Second`]);
  assertEquals(rest, {
    branch: "main",
    uncommitedFiles: ["a.txt"],
    untrackedFiles: ["new/1", "new/2"],
    totalUncommitedFiles: 1n,
    totalUntrackedFiles: 2n,
    totalUnpushedCommits: 1n,
  });

  await client.initWorkspace(request("back", {
    initializer: { spec: { case: "backup", value: { checkoutLocation: "src/repo" } } },
  }));
  assertEquals((await client.disposeWorkspace({ id: "back" }))?.latestCommit, latestCommit);
});

Deno.test("a disposal survives a repository that is corrupt, and keeps it as it is", async () => {
  using folder = testFolder();
  await using server = slowGit(folder.path);
  server.answer();
  const node = shared();
  const { client } = node;
  for (const part of ["HEAD", "index", "config", "objects"]) {
    await client.initWorkspace(fromGit(part, server.uri));
    const path = join(node.workspace(part), ".git", part);
    await Deno.remove(path, { recursive: true });
    await Deno.writeTextFile(path, "\0 not Git's");
    assertEquals(await client.disposeWorkspace({ id: part, backup: true }), undefined, part);
    await client.initWorkspace(fromBackup(`${part}-again`));
    const restored = join(node.workspace(`${part}-again`), ".git", part);
    assertEquals(await Deno.readTextFile(restored), "\0 not Git's");
  }
});

function leftovers(node: TestNode): Record<"workspaces" | "staging" | "spool", string[]> {
  const names = (...path: string[]) =>
    [...Deno.readDirSync(join(node.root, ...path))].map(({ name }) => name);
  return {
    workspaces: names("workspaces"),
    staging: names("tmp", "staging"),
    spool: names("tmp", "spool"),
  };
}
