/** Git of ours on real content Workers, as the daemon has it. */

import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import type { Content } from "../../src/content/content.ts";
import type { Owner, Tree } from "../../src/content/tree.ts";
import type { Areas } from "../../src/content/worker_start.ts";
import { Git } from "../../src/git/git.ts";
import type { GitOptions } from "../../src/git/git_options.ts";
import { parseRemote } from "../../src/git/remote.ts";
import type { CheckoutRequest } from "../../src/git/checkout_request.ts";
import { EgressProxy } from "../../src/outbound/egress_proxy.ts";
import type { OutboundRules } from "../../src/outbound/policy.ts";
import { findGit } from "../../src/process/find_program.ts";
import { testFolder } from "../fixtures/folder.ts";
import { borrowContent } from "../fixtures/shared_content.ts";

export const PROTOCOLS = ["https", "http", "file"];

export interface GitFixture extends AsyncDisposable {
  readonly root: string;
  /** For remotes, readable by everybody. */
  readonly remotes: string;
  readonly content: Content;
  readonly spool: string;
  readonly staging: string;
  readonly areas: Required<Areas>;
  readonly git: Git;
  /** What the Git was opened with. */
  readonly options: GitOptions;
  readonly egressProxy: EgressProxy;
  readonly owner: Owner;
  /** A new, empty staging tree, and its absolute path. */
  tree(): Promise<{ tree: Tree; path: string }>;
  /** Another Git on the same content. */
  other(options: Partial<GitOptions>): Promise<Git>;
}

export interface GitFixtureOptions {
  rules?: Partial<OutboundRules>;
  git?: Partial<GitOptions>;
}

export const isRoot = Deno.uid() === 0;

export async function gitFixture(options: GitFixtureOptions = {}): Promise<GitFixture> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(testFolder());
  Deno.chmodSync(folder.path, 0o711);
  const remotes = folder.path;
  const { content, areas, root } = stack.use(borrowContent());
  const egressProxy = stack.use(
    new EgressProxy({ allowLoopback: true, allowHosts: [], denyHosts: [], ...options.rules }),
  );
  const owner = isRoot ? { uid: 33333, gid: 33333 } : { uid: Deno.uid()!, gid: Deno.gid()! };
  const gitOptions: GitOptions = {
    found: await findGit(Deno.env.get("PATH") ?? ""),
    content,
    spool: areas.spool,
    folder: join(root, "tmp", "git"),
    switchUser: isRoot,
    contentOwner: owner,
    timeout: 60_000,
    protocols: PROTOCOLS,
    egressProxy,
    // Retries need not be waited for.
    clock: { ...systemClock, sleep: () => Promise.resolve() },
    ...options.git,
  };
  const moved = stack.move();
  return {
    root,
    remotes,
    content,
    spool: areas.spool,
    staging: areas.staging,
    areas,
    git: Git.open(gitOptions),
    options: gitOptions,
    egressProxy,
    owner,
    async tree() {
      const tree = await content.create(owner);
      return { tree, path: join(areas.staging, tree.name) };
    },
    other: (changed) =>
      Promise.resolve(
        Git.open({ ...gitOptions, folder: join(root, "tmp", "git2"), ...changed }),
      ),
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** A request for the remote's HEAD, with what differs. */
export function request(
  url: string,
  changed: Partial<Omit<CheckoutRequest, "remote" | "upstream">> & { upstream?: string } = {},
): CheckoutRequest {
  const { upstream, ...rest } = changed;
  return {
    remote: parseRemote(url, PROTOCOLS),
    mode: "REMOTE_HEAD",
    target: "",
    full: false,
    config: [],
    ...(upstream === undefined ? {} : { upstream: parseRemote(upstream, PROTOCOLS) }),
    ...rest,
  };
}

/**
 * Clones into a new tree's top folder.
 * @returns the checkout's absolute path, the tree, and what the caller was warned of
 */
export async function cloned(
  fixture: GitFixture,
  what: CheckoutRequest,
  location = "",
): Promise<{ tree: Tree; path: string; warnings: string[] }> {
  const { tree, path } = await fixture.tree();
  const signal = new AbortController().signal;
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  await fixture.git.clone(what, { tree, location, owner: fixture.owner, signal, onWarning });
  return { tree, path: location === "" ? path : join(path, location), warnings };
}
