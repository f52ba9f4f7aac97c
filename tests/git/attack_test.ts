import { assert, assertNotMatch } from "@std/assert";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import { startAttack } from "../fixtures/attack.ts";
import { fileUrl, git, makeRemote } from "../fixtures/git_repos.ts";
import { rounds } from "../fixtures/soak.ts";
import { cloned, type GitFixture, gitFixture, request } from "./fixture.ts";

/** A neighbour's checkout, with names and a subject that are its own affair. */
async function neighbour(fixture: GitFixture, remote: string): Promise<string> {
  const { path } = await cloned(fixture, request(remote));
  Deno.mkdirSync(join(path, "d"));
  for (const name of ["canary", "d/canary"]) Deno.writeTextFileSync(join(path, name), "canary");
  git(path, "commit", "--quiet", "--allow-empty", "-m", "canary");
  return path;
}

async function attacked(pairsIn: "top" | "checkout" | "git folder"): Promise<void> {
  await using fixture = await gitFixture();
  const remote = fileUrl(makeRemote(join(fixture.remotes, "a.git"), [
    { branch: "main", subject: "first", files: { "a.txt": "one\n" } },
  ]));
  const target = await neighbour(fixture, remote);
  const { tree, path } = await cloned(fixture, request(remote), "repo");
  Deno.mkdirSync(join(path, "d"));
  Deno.writeTextFileSync(join(path, "d/own"), "");
  const places = {
    "top": { folder: join(path, ".."), names: ["repo"], to: [target] },
    "checkout": { folder: path, names: ["d"], to: [join(target, "d")] },
    "git folder": {
      folder: join(path, ".git"),
      names: ["refs", "objects"],
      to: [join(target, ".git/refs"), join(target, ".git/objects")],
    },
  };
  const { folder, names, to } = places[pairsIn];
  names.forEach((name, n) => Deno.symlinkSync(to[n]!, join(folder, `${name}.link`)));
  const attack = await startAttack(folder, names.map((name) => [name, `${name}.link`] as const));
  const told: string[] = [];
  for (const _ of rounds(20)) {
    try {
      told.push(JSON.stringify(await fixture.git.status(tree, "repo")) ?? "none");
    } catch (error) {
      assert(error instanceof DaemonError, String(error));
      told.push(error.message);
    }
  }
  assert(await attack.stop() > 1000, "hardly anything was swapped");
  for (const text of told) assertNotMatch(text, /canary/);
}

Deno.test("status tells nothing of elsewhere while the checkout is swapped for a link", () =>
  attacked("top"));

Deno.test("status tells nothing of elsewhere while a folder in it is swapped for a link", () =>
  attacked("checkout"));

Deno.test("status tells nothing of elsewhere while Git's folders are swapped for links", () =>
  attacked("git folder"));
