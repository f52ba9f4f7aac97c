/** Every way to start a workspace that README and the API page show, run as it stands there. */

import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { archive, entry } from "../archive/build.ts";
import { TestNode } from "../e2e/node.ts";
import { page } from "./pages.ts";
import { testFolder } from "../fixtures/folder.ts";
import { git, makeRemote, serveGit } from "../fixtures/git_repos.ts";
import { inProcess } from "../cli/in_process.ts";

const SECTION = page("README.md").text.split("## What a workspace can start from")[1]!
  .split("\n## ")[0]!;

/** Flags of `client init`, as the table's second column has them. */
const FLAGS = SECTION.split("\n").filter((line) => line.startsWith("|")).slice(2)
  .flatMap((row) => [...row.split("|").at(-2)!.matchAll(/`([^`]+)`/g)].map(([, flags]) => flags!));

const REQUESTS = [
  ...page("docs/api.md").text.matchAll(/wsdaemon client init - <<'JSON'\n([\s\S]*?)\nJSON\n/g),
]
  .map(([, json]) => json!);

const TOOL = "#!/bin/sh\n";
const COMMITS = [{ branch: "main", subject: "first", files: { "a.txt": "a\n" } }];

/** Hosts as the README has them, `private.git` behind a login. */
function serveHost(folder: string) {
  for (const name of ["repo.git", "private.git"]) makeRemote(join(folder, name), COMMITS);
  return serveGit(folder, {
    intercept: ({ url, headers }) => {
      if (url.endsWith("/tool")) return new Response(TOOL);
      const known = headers.get("authorization") === `Basic ${btoa("jane:hunter2")}`;
      return known || !url.includes("/private.git")
        ? undefined
        : new Response("no", { status: 401, headers: { "www-authenticate": "Basic realm=t" } });
    },
  });
}

Deno.test("the documents' ways to start a workspace work as they are shown", async (t) => {
  using folder = testFolder();
  await using host = serveHost(folder.path);
  await using node = await TestNode.start(folder.path, "node", {
    config: { net: { allowLoopback: true } },
  });
  const client = async (...args: string[]) => {
    const addr = ["--addr", node.daemon.addresses[0]!];
    const { code, stdout, stderr } = await inProcess("client", ...args, ...addr);
    assertEquals(code, 0, stderr);
    return stdout.trim();
  };

  let snapshot = "";
  for (const metaId of ["m", "notes"]) {
    await client("init", "--id", "first", "--owner", "alice", "--meta-id", metaId, "--empty");
    snapshot = await client("snapshot", "first");
    await client("dispose", "first", "--backup");
  }
  const plain = join(node.root, "store/archives/bucket/path/in/the/bucket.tar.gz");
  await Deno.mkdir(dirname(plain), { recursive: true });
  await Deno.writeFile(plain, gzipSync(archive(entry({ name: "a" }, "x"))));

  const digest = `sha256:${createHash("sha256").update(TOOL).digest("hex")}`;
  const filled = (text: string) =>
    text.replace("URL=PATH#", "https://host/tool=bin/tool#")
      .replace(/\bURL\b/g, "https://host/repo.git")
      .replaceAll("https://host", host.url)
      .replace("HASH", git(join(folder.path, "repo.git"), "rev-parse", "main"))
      .replace("wsdaemon:snapshot/alice/notes/…", snapshot)
      .replace("sha256:…", digest)
      .replace('"authPassword": "…"', '"authPassword": "hunter2"');

  for (const flags of FLAGS) {
    await t.step(flags, async () => {
      const whose = ["--id", "w", "--owner", "alice", "--meta-id", "m"];
      await client("init", ...whose, ...filled(flags).split(" "));
      await client("dispose", "w");
    });
  }
  const request = join(folder.path, "request.json");
  const made = ["repo/a.txt", "private/a.txt", "bin/tool"];
  for (const [n, json] of REQUESTS.entries()) {
    const text = filled(json);
    await t.step(JSON.parse(text).id, async () => {
      await Deno.writeTextFile(request, text);
      await client("init", request);
      await Deno.stat(join(node.workspace(JSON.parse(text).id), made[n]!));
    });
  }
  assertEquals(REQUESTS.length, made.length);
});
