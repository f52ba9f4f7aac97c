import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { programsOf } from "../../src/git/git_program.ts";
import { daemonPermissions } from "../../src/process/worker_permissions.ts";
import { findGit } from "../../src/process/find_program.ts";
import { configOf } from "../process/fixture.ts";
import { startWorkers } from "../fixtures/content.ts";
import { testFolder } from "../fixtures/folder.ts";
import { git, makeRemote, serveGit } from "../fixtures/git_repos.ts";
import type { ConfinedStart } from "./confined_worker.ts";
import { isRoot } from "./fixture.ts";

/** Clones, reads a status and downloads with just what the daemon Worker may do. */
async function tryConfined(net: object): Promise<{ answer: string[]; commit: string }> {
  using folder = testFolder();
  const root = join(folder.path, "root");
  Deno.mkdirSync(root);
  const workers = startWorkers(root, 2);
  for (const path of [folder.path, root, join(root, "tmp"), workers.areas.staging]) {
    Deno.chmodSync(path, 0o711);
  }
  const remotes = join(folder.path, "remotes");
  const remote = makeRemote(join(remotes, "a.git"), [
    { branch: "main", subject: "first", files: { "a.txt": "one\n" } },
  ]);
  await using server = serveGit(remotes);
  const config = configOf({ root, net });
  const finding = await findGit(Deno.env.get("PATH") ?? "");
  const worker = new Worker(new URL("./confined_worker.ts", import.meta.url), {
    type: "module",
    deno: { permissions: daemonPermissions(config, programsOf(finding), {}) },
  });
  try {
    const { port1, port2 } = new MessageChannel();
    const start: ConfinedStart = {
      ports: workers.ports,
      answer: port2,
      rules: config.net,
      finding,
      spool: workers.areas.spool,
      folder: join(root, "tmp/git"),
      switchUser: isRoot,
      owner: isRoot ? { uid: 33333, gid: 33333 } : { uid: Deno.uid()!, gid: Deno.gid()! },
      url: `${server.url.replace("127.0.0.1", "localhost")}/a.git`,
    };
    const answer = await new Promise<string[]>((resolve) => {
      port1.onmessage = ({ data }) => resolve(data);
      worker.postMessage(start, [...workers.ports, port2]);
    });
    port1.close();
    return { answer, commit: git(remote, "rev-parse", "main") };
  } finally {
    worker.terminate();
    workers.terminate();
  }
}

for (const allowHosts of [[], ["localhost"]]) {
  Deno.test(`git works within the daemon's permissions when net.allowHosts is [${allowHosts}]`, async () => {
    const { answer, commit } = await tryConfined({ allowLoopback: true, allowHosts });
    assertEquals(answer, [commit, "ref: refs/heads/main"]);
  });
}

Deno.test("git is told so when net.allowHosts does not name its remote", async () => {
  const { answer } = await tryConfined({ allowLoopback: true, allowHosts: ["example.com"] });
  assertStringIncludes(answer[0]!, "localhost is not among net.allowHosts");
});
