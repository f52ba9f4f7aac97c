/** Follows docs/migration.md with archives that GNU tar makes in the older layout. */

import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname, join } from "@std/path";
import { parse } from "jsonc-parser";
import { inProcess } from "../cli/in_process.ts";
import { blocks, page } from "../docs/pages.ts";
import { testFolder } from "../fixtures/folder.ts";
import { BUCKET, S3_KEYS, type S3Server, startS3 } from "../fixtures/s3rver.ts";
import { run } from "../fixtures/tools.ts";
import { directory, file, hardlink, makeTree, readTree, symlink } from "../fixtures/tree.ts";
import { fromBackup, refuses, type Request, request, TestNode } from "./node.ts";

const PAGE = page("docs/migration.md").text;

/** Takes a while with its three starts of daemons: `deno task test:migration`. */
const IS_ASKED_FOR = Deno.env.get("WSDAEMON_MIGRATION") === "1";
const IGNORED = IS_ASKED_FOR ? "" : " (ignored: deno task test:migration)";

/** The patterns that the page shows. */
const { legacy } = parse(blocks(PAGE, "jsonc")[0]!).storage as { legacy: string[] };

/** Runs a command of the page, with names of this test in place of the page's. */
async function follow(command: string, names: Record<string, string>): Promise<string> {
  const lines = blocks(PAGE, "sh").flatMap((block) => block.split("\n"));
  const shown = lines.find((line) => line.startsWith(command));
  assert(shown, `the page does not show: ${command}`);
  const words = shown.replace(/\s+#.*$/, "").split(/\s+/).slice(1);
  const [, ...rest] = words.map((word) => names[word] ?? word);
  const { code, stdout, stderr } = await inProcess("store", ...names.config!.split(" "), ...rest);
  assertEquals(code, 0, stderr);
  return stdout;
}

/** A workspace as somebody left it, as GNU tar packs it. */
async function makeArchive(folder: string, text: string) {
  const path = join(folder, text);
  await Deno.mkdir(path);
  await makeTree(path, [
    ["src", directory({ mode: 0o750 })],
    ["src/notes", file(text, { mode: 0o640 })],
    ["src/again", hardlink("src/notes")],
    ["link", symlink("src/notes")],
    ["big", file(text.repeat(50_000))],
  ]);
  const bytes = await run(path, "tar", "--format=posix", "-c", ".");
  return { bytes, tree: await readTree(path) };
}

/** Puts archives into buckets, which are made. */
async function putArchives(
  server: S3Server,
  archives: readonly (readonly [object: string, bucket: string, bytes: Uint8Array])[],
): Promise<void> {
  const client = new S3Client({
    endpoint: server.endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    // A copy: the client marks it.
    credentials: { ...S3_KEYS },
  });
  for (const Bucket of new Set(archives.map(([, bucket]) => bucket))) {
    await client.send(new CreateBucketCommand({ Bucket }));
  }
  for (const [Key, Bucket, Body] of archives) {
    await client.send(new PutObjectCommand({ Bucket, Key, Body }));
  }
  client.destroy();
}

function of(owner: string, metaId: string, more: Request): Request {
  return { ...more, metadata: { owner, metaId } };
}

Deno.test({
  name: `a platform with older archives moves to images, another node and another store${IGNORED}`,
  ignore: !IS_ASKED_FOR,
  fn: followPage,
});

async function followPage(t: Deno.TestContext): Promise<void> {
  using folder = testFolder();
  await using server = await startS3();
  const [notes, other, site, lab] = await Promise.all(
    ["notes", "other", "site", "lab"].map((name) => makeArchive(folder.path, name)),
  );
  await putArchives(server, [
    ["alice/workspaces/notes/full.tar", "workspaces", notes!.bytes],
    ["alice/workspaces/other/full.tar", "workspaces", other!.bytes],
    ["workspaces/site/full.tar", "user-bob", site!.bytes],
  ]);
  const storage = {
    ...{ kind: "s3", endpoint: server.endpoint, bucket: BUCKET, forcePathStyle: true },
    ...S3_KEYS,
  };
  const starts = [
    { owner: "alice", metaId: "notes", tree: notes!.tree },
    { owner: "alice", metaId: "other", tree: other!.tree },
    { owner: "bob", metaId: "site", tree: site!.tree },
  ];
  const startAll = async (node: TestNode, prefix: string) => {
    for (const { owner, metaId, tree } of starts) {
      const id = `${prefix}-${metaId}`;
      await node.client.initWorkspace(of(owner, metaId, fromBackup(id)));
      assertEquals(await readTree(node.workspace(id)), tree, id);
    }
  };
  const first = { storage: { ...storage, legacy } };
  await using left = await TestNode.start(folder.path, "left", { config: first });
  const leftConfig = `--config ${left.root}.jsonc --root ${left.root}`;

  await t.step("one is imported, others start from their archives", async () => {
    const imported = await follow("wsdaemon store import alice/workspaces", { config: leftConfig });
    assertMatch(imported, /^wsdaemon:backup\/alice\/notes@sha256:/);
    await startAll(left, "left");
    const nobody = of("carol", "x", fromBackup("nobody"));
    await refuses(
      "FAILED_PRECONDITION",
      "x/full.tar@user-carol",
      () => left.client.initWorkspace(nobody),
    );
  });

  await t.step("the node is drained, and all start on another one from images", async () => {
    const drain = async (...args: string[]) => {
      const outcome = await inProcess("drain", ...args, "--addr", left.daemon.addresses[0]!);
      assertEquals([outcome.code, outcome.stderr], [0, ""]);
    };
    await drain();
    await using right = await TestNode.start(folder.path, "right", { config: { storage } });
    await startAll(right, "right");
    await drain("--undo");
  });

  const empty = join(folder.path, "store");
  await Deno.mkdir(empty);
  await t.step("the images are copied into a folder", async () => {
    const names = { config: leftConfig, "old.json": `${left.root}.jsonc`, "new.json": empty };
    const some = await follow("wsdaemon store copy --from old.json", names);
    assertMatch(some, /of 3 identities copied/);
    const rest = { "/var/lib/wsdaemon": names["old.json"], "/etc/wsdaemon/bucket.json": empty };
    const all = await follow("wsdaemon store copy --from /var", { ...names, ...rest });
    assertMatch(all, /^0 images of 3 identities copied \(0 blobs, 0 B\)/);
  });

  await t.step("all start from the folder, and what has an archive there too", async () => {
    const archive = join(empty, "archives/workspaces/dave/workspaces/lab/full.tar");
    await Deno.mkdir(dirname(archive), { recursive: true });
    await Deno.writeFile(archive, lab!.bytes);
    await left.end("SIGTERM");
    const config = {
      metrics: { listen: "off" },
      storage: { kind: "fs", path: empty, legacy },
      init: { preferBackup: true },
    };
    await Deno.writeTextFile(`${left.root}.jsonc`, JSON.stringify(config));
    await left.startAgain();
    await startAll(left, "moved");
    // Though it is asked for an empty one.
    await left.client.initWorkspace(of("dave", "lab", request("preferred")));
    assertEquals(await readTree(left.workspace("preferred")), lab!.tree);
  });
}
