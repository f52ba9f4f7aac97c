/** What a workspace starts from, and what it then has to be. */

import type { InitWorkspaceInit } from "../../src/client/mod.ts";
import type { TreeEntry } from "../../tests/fixtures/tree.ts";
import type { Random } from "./random.ts";
import {
  type Archive,
  type Commit,
  digestOf,
  type FileServer,
  hexDigest,
  type Repository,
  withoutGit,
} from "./sources.ts";

export type Initializer = NonNullable<
  Extract<InitWorkspaceInit, { $typeName?: never }>["initializer"]
>;

/** An initializer, and what is known of the tree that it makes. */
export interface Start {
  what: string;
  initializer: Initializer;
  /** What is wrong with the tree; nothing if absent. */
  problem(tree: readonly TreeEntry[], log: string): string | undefined;
}

/** A snapshot of a checkout and of what was built in it. */
export interface Prebuild {
  url: string;
  repository: Repository;
  /** Entries that Git does not know, in and beside the checkout. */
  built: readonly TreeEntry[];
}

export interface Sources {
  repositories: readonly Repository[];
  archives: readonly Archive[];
  server: FileServer;
}

export const CHECKOUT = "checkout";
const DOWNLOADS = "downloads";

/** Starts from nothing. */
export const emptyStart: Start = {
  what: "nothing",
  initializer: { spec: { case: "empty", value: {} } },
  problem: (tree) => tree.length === 1 ? undefined : "it is not empty",
};

/** Starts from a repository. */
export function gitStart(random: Random, { repositories }: Sources): Start {
  const repository = random.pick(repositories);
  const { commit, spec } = gitSpec(random, repository);
  return {
    what: `git ${spec.remoteUri}`,
    initializer: { spec: { case: "git", value: spec } },
    problem: (tree) => checkoutProblem(tree, commit),
  };
}

/** A clone of a commit of a repository, or of its head. */
export function gitSpec(random: Random, repository: Repository) {
  const remoteUri = random.pick(repository.remotes);
  const head = repository.commits.at(-1)!;
  const commit = random.next() < 0.5 ? head : random.pick(repository.commits);
  const target = commit === head && random.next() < 0.5
    ? { targetMode: 0 }
    : { targetMode: 1, cloneTaget: commit.hash };
  const fullClone = random.next() < 0.5;
  return { commit, spec: { remoteUri, ...target, checkoutLocation: CHECKOUT, fullClone } };
}

/** Starts from a prebuild, brought up to date. */
export function prebuildStart(random: Random, { url, repository, built }: Prebuild): Start {
  const { commit, spec } = gitSpec(random, repository);
  return {
    what: `prebuild ${url} and git ${spec.remoteUri}`,
    initializer: {
      spec: { case: "prebuild", value: { prebuild: { snapshot: url }, git: [spec] } },
    },
    problem: (tree, log) => prebuildProblem(tree, commit, built, log),
  };
}

function prebuildProblem(
  tree: readonly TreeEntry[],
  commit: Commit,
  built: readonly TreeEntry[],
  log: string,
): string | undefined {
  const paths = new Set(built.map(({ path }) => path));
  const rest = tree.filter(({ path }) => !paths.has(path));
  const problem = checkoutProblem(rest, commit);
  if (problem !== undefined) return problem;
  // Git alone is enough where the prebuild cannot be restored, which its log then says.
  if (rest.length === tree.length && /the prebuild cannot be restored/.test(log)) return undefined;
  return difference(tree.filter(({ path }) => paths.has(path)), built, (it) => it);
}

/** Starts from downloaded files. */
export async function downloadStart(random: Random, sources: Sources): Promise<Start> {
  const { spec, problem } = await download(random, sources);
  return {
    what: "downloads",
    initializer: { spec: { case: "download", value: spec } },
    problem: (tree) => problem(tree.filter(({ type }) => type !== "directory")),
  };
}

async function download(random: Random, { server }: Sources) {
  const seeds = Array.from({ length: random.whole(1, 4) }, () => random.whole(0, 1_000_000));
  const files = [...new Set(seeds)].map((seed) => ({ name: `from/${seed}`, ...server.file(seed) }));
  const expected = await Promise.all(files.map(async ({ name, bytes }) => ({
    path: `${DOWNLOADS}/${name}`,
    sha256: await hexDigest(bytes),
  })));
  const infos = files.map(async ({ name, url, bytes }) => ({
    url,
    filePath: name,
    digest: await digestOf(bytes),
  }));
  const seen = ({ path, sha256 }: { path: string; sha256?: string }) => ({ path, sha256 });
  return {
    spec: { files: await Promise.all(infos), targetLocation: DOWNLOADS },
    problem: (tree: readonly TreeEntry[]) => difference(tree, expected, seen),
  };
}

/** Starts from a plain archive. */
export function archiveStart(random: Random, { archives }: Sources): Start {
  const { name, tree: expected } = random.pick(archives);
  return {
    what: `archive ${name}`,
    initializer: { spec: { case: "snapshot", value: { snapshot: name } } },
    // Where a file has holes is no part of what an archive promises.
    problem: (tree) => difference(tree, expected, ({ data: _, ...entry }) => entry),
  };
}

/** Starts from a checkout with downloaded files beside it. */
export async function compositeStart(random: Random, sources: Sources): Promise<Start> {
  const { commit, spec } = gitSpec(random, random.pick(sources.repositories));
  const files = await download(random, sources);
  const parts = [
    { spec: { case: "git" as const, value: spec } },
    { spec: { case: "download" as const, value: files.spec } },
  ];
  return {
    what: `composite of git ${spec.remoteUri} and downloads`,
    initializer: {
      spec: {
        case: "composite",
        value: { initializer: random.next() < 0.5 ? parts : parts.toReversed() },
      },
    },
    problem: (tree) => {
      const isDownload = ({ path }: TreeEntry) => path.startsWith(`${DOWNLOADS}/`);
      const isFile = ({ type }: TreeEntry) => type !== "directory";
      return checkoutProblem(tree.filter((it) => !isDownload(it)), commit) ??
        files.problem(tree.filter((it) => isDownload(it) && isFile(it)));
    },
  };
}

/** What of a workspace that holds a checkout, and nothing else but folders, is not as committed. */
function checkoutProblem(tree: readonly TreeEntry[], commit: Commit): string | undefined {
  const head = tree.find(({ path }) => path === `${CHECKOUT}/.git/HEAD`);
  if (!head) return "there is no checkout";
  const expected = commit.tree.map((entry) => ({ ...entry, path: `${CHECKOUT}/${entry.path}` }));
  return difference(
    withoutGit(tree),
    expected,
    ({ path, type, mode, size, sha256, target }) => ({ path, type, mode, size, sha256, target }),
  );
}

/** What differs between two lists of entries, by what is looked at of each. */
function difference<T extends { path: string }>(
  actual: readonly T[],
  expected: readonly T[],
  look: (entry: T) => unknown,
): string | undefined {
  const table = (entries: readonly T[]) =>
    new Map(entries.map((entry) => [entry.path, JSON.stringify(look(entry))]));
  const [have, want] = [table(actual), table(expected)];
  const paths = [...new Set([...have.keys(), ...want.keys()])]
    .filter((path) => have.get(path) !== want.get(path));
  if (paths.length === 0) return undefined;
  const lines = paths.slice(0, 10).map((path) => `${have.get(path)} is not ${want.get(path)}`);
  return `${paths.length} entries differ: ${lines.join("; ")}`;
}
