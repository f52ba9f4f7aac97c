/** Asks a remote for its refs, before anything is fetched. */

import type { CheckoutRequest } from "./checkout_request.ts";
import type { GitSession } from "./git_session.ts";

/** What the remote `origin` advertises. */
export interface Advertised {
  /** The commit of its HEAD; absent where HEAD names none. */
  head?: string;
  /** The branch that its HEAD is. */
  defaultBranch?: string;
  /** The full name of the ref that the request's target is; absent where the remote has none. */
  targetRef?: string;
  /** Whether its hashes are SHA-256. */
  isSha256: boolean;
}

/** The namespace of branches. */
export const BRANCHES = "refs/heads/";

/** Returns whether a target is a ref's full name, which means that ref and no other. */
export function isFullRef(target: string): boolean {
  return target.startsWith("refs/");
}

/** Asks `origin` for its HEAD and for what the request's target may be. @throws {GitFailure} */
export async function askOrigin(
  git: GitSession,
  { mode, target }: CheckoutRequest,
): Promise<Advertised> {
  const candidates = mode === "REMOTE_BRANCH" ? candidatesOf(target) : [];
  const { stdout } = await git.runRemote([
    "ls-remote",
    "--symref",
    "origin",
    "HEAD",
    ...candidates,
  ]);
  const advertised: Advertised = { isSha256: false };
  const found = new Set<string>();
  for (const line of stdout.split("\n")) {
    const [value = "", name = ""] = line.split("\t");
    if (/^[0-9a-f]{64}$/.test(value)) advertised.isSha256 = true;
    found.add(name);
    if (name !== "HEAD") continue;
    if (!value.startsWith("ref: ")) advertised.head = value;
    else if (value.startsWith(`ref: ${BRANCHES}`)) {
      advertised.defaultBranch = value.slice(`ref: ${BRANCHES}`.length);
    }
  }
  const targetRef = candidates.find((name) => found.has(name));
  if (targetRef !== undefined) return { ...advertised, targetRef };
  const { head, defaultBranch = head && await guessBranch(git, head) } = advertised;
  return { ...advertised, ...(defaultBranch === undefined ? {} : { defaultBranch }) };
}

/**
 * Guesses the branch of a HEAD of which only the commit is known, as from old servers: one at that commit,
 * `main` and `master` first, as `git clone` does.
 */
async function guessBranch(git: GitSession, head: string): Promise<string | undefined> {
  const branches = (await listRefs(git, "origin"))
    .filter(({ name, hash }) => name.startsWith(BRANCHES) && hash === head)
    .map(({ name }) => name.slice(BRANCHES.length));
  return ["main", "master"].find((usual) => branches.includes(usual)) ?? branches[0];
}

/** Returns the full names of the refs that a target may mean; the first that the remote has is taken. */
function candidatesOf(target: string): string[] {
  if (isFullRef(target)) return [target];
  return [`${BRANCHES}${target}`, `refs/tags/${target}`, `refs/${target}`];
}

/** A remote's ref by its full name, and the object that it names, which may be a tag object. */
export interface RemoteRef {
  name: string;
  hash: string;
}

/** Returns the refs of `remote` without HEAD. @throws {GitFailure} */
export async function listRefs(git: GitSession, remote: string): Promise<RemoteRef[]> {
  const { stdout } = await git.runRemote(["ls-remote", "--refs", remote]);
  return stdout.split("\n").flatMap((line) => {
    const [hash = "", name] = line.split("\t");
    return name === undefined ? [] : [{ hash, name }];
  });
}
