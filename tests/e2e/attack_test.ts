import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { ClientError } from "../../src/client/mod.ts";
import { type Attack, startAttack } from "../fixtures/attack.ts";
import { testFolder } from "../fixtures/folder.ts";
import { git } from "../fixtures/git_repos.ts";
import { rounds } from "../fixtures/soak.ts";
import { readTree } from "../fixtures/tree.ts";
import { filesWith } from "./content_search.ts";
import { fromBackup, fromSnapshot, type Request, request, TestNode } from "./node.ts";

const HOSTILE = "hostile";
const NAMES = ["canary", "d/file", "prebuild-log-1"];

/** Whose the attacker's content is. */
const MALLORY = { metadata: { owner: "mallory", metaId: "m" } };

/** A folder that the attacker leads to: its secrets are in contents, names, and what Git knows. */
async function victim(path: string, secret: string) {
  Deno.mkdirSync(join(path, "d"), { recursive: true });
  for (const name of [...NAMES, `d/${secret}`]) Deno.writeTextFileSync(join(path, name), secret);
  git(path, "init", "--quiet", `--initial-branch=${secret}`, ".");
  git(path, "commit", "--quiet", "--allow-empty", "-m", secret);
  const before = await readTree(path);
  return { path, check: async () => assertEquals(await readTree(path), before) };
}

/** Files and folders of the attacker's own, each beside a link that leads to a victim. */
function fill(path: string, targets: readonly string[], mark: string): [string, string][] {
  const pairs: [string, string][] = [];
  for (let n = 0; n < 20; n++) {
    const target = targets[n % targets.length]!;
    for (const name of [`top${n}`, `deep/${n}/inner`]) {
      Deno.mkdirSync(join(path, name, "d"), { recursive: true });
      for (const own of NAMES) Deno.writeTextFileSync(join(path, name, own), mark);
      pairs.push(pair(path, name, target));
    }
    Deno.writeTextFileSync(join(path, `leaf${n}`), mark);
    pairs.push(pair(path, `leaf${n}`, join(target, "canary")));
  }
  // What a disposal looks for in every workspace: terminal logs, and a repository.
  Deno.writeTextFileSync(join(path, "prebuild-log-1"), mark);
  pairs.push(pair(path, "prebuild-log-1", join(targets[0]!, "canary")));
  git(path, "init", "--quiet", "--initial-branch=own", ".");
  pairs.push(pair(path, ".git", join(targets[0]!, ".git")));
  return pairs;
}

function pair(path: string, name: string, target: string): [string, string] {
  Deno.symlinkSync(target, join(path, `${name}.link`));
  return [name, `${name}.link`];
}

/** Of a disposal under attack: all that an attacker can reach is that it is to be repeated. */
async function dispose(node: TestNode, attack: Attack, told: string[]): Promise<number> {
  const disposal = { id: HOSTILE, backup: true, backupLogs: true };
  try {
    told.push(describe(await node.client.disposeWorkspace(disposal)));
    return await attack.stop();
  } catch (error) {
    assert(error instanceof ClientError, String(error));
    assert(["DATA_LOSS", "FAILED_PRECONDITION"].includes(error.code), String(error));
    told.push(error.message);
    const swaps = await attack.stop();
    await node.client.disposeWorkspace({ id: HOSTILE });
    return swaps;
  }
}

function describe(value: unknown): string {
  return JSON.stringify(value, (_, part) => typeof part === "bigint" ? String(part) : part) ?? "";
}

Deno.test("a workspace that swaps its folders for links reaches nothing outside by any call", async () => {
  using folder = testFolder();
  await using node = await TestNode.start(folder.path, "node");
  const { client } = node;
  const secret = `secret-${crypto.randomUUID()}`;
  await client.initWorkspace(request("neighbour"));
  const targets = [
    await victim(node.workspace("neighbour"), secret),
    await victim(join(folder.path, "outside"), secret),
  ];
  const store = join(node.root, "store");
  let swaps = 0;
  const told: string[] = [];
  for (const round of rounds(1)) {
    const mark = `own-${crypto.randomUUID()}`;
    await client.initWorkspace({ ...request(HOSTILE), ...MALLORY });
    const path = node.workspace(HOSTILE);
    const attack = await startAttack(path, fill(path, targets.map(({ path }) => path), mark));
    const [, taken, promised] = await Promise.all([
      client.backupWorkspace(HOSTILE),
      client.takeSnapshot({ id: HOSTILE }),
      client.takeSnapshot({ id: HOSTILE, returnImmediately: true }),
    ]);
    // Of a tree that has moved since, by what is known of it.
    await client.backupWorkspace(HOSTILE);
    const restores: Request[] = [fromSnapshot("taken", taken), fromBackup("backed-up")];
    for (const restore of restores) {
      await client.initWorkspace({ ...restore, ...MALLORY });
      assert((await filesWith(node.workspace(restore.id!), mark)).length > 0);
      await client.disposeWorkspace({ id: restore.id! });
    }
    swaps += await dispose(node, attack, told);
    assert(!await client.isWorkspaceExists(HOSTILE));
    const last: Request[] = [fromSnapshot("promised", promised), fromBackup("final")];
    for (const restore of last) await client.initWorkspace({ ...restore, ...MALLORY });
    assert((await filesWith(store, mark)).length > 0, "the search finds what is in a blob");
    const found = await filesWith(node.root, secret);
    const elsewhere = found.filter((path) => !path.startsWith(targets[0]!.path));
    assertEquals(elsewhere, [], `after round ${round}`);
    for (const { check } of targets) await check();
    for (const { id } of last) await client.disposeWorkspace({ id: id! });
  }
  assert(swaps > 1000, `only ${swaps} swaps were made`);
  for (const text of [...told, node.daemon.log]) assert(!text.includes(secret), text);
});
