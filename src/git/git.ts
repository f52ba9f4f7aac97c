/**
 * Makes and updates checkouts for initializers, and reads the status of live checkouts.
 *
 * Repositories are hostile. Every git process runs as the content's owner, in a clean environment with
 * its home in a private folder, reaches http(s) hosts through the egress proxy alone, and never reads a
 * config variable, a hook or a link that somebody else chose and that could make it run a program or
 * leave the workspace.
 */

import { groupOf, isAnonymous, type Owner, type Tree } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import type { ProxySession } from "../outbound/mod.ts";
import { adoptClone } from "./adopt_clone.ts";
import { checkHost } from "./check_host.ts";
import type { CheckoutRequest } from "./checkout_request.ts";
import { cloneInto } from "./clone_into.ts";
import { Credentials } from "./credentials.ts";
import { extractCredentials } from "./extract_credentials.ts";
import type { CheckoutPlace, GitOptions } from "./git_options.ts";
import type { GitSession } from "./git_session.ts";
import type { GitStatus, GitStatusReader } from "./git_status.ts";
import { gitUser } from "./git_user.ts";
import { readStatus } from "./read_status.ts";
import type { Scratch } from "./scratch.ts";
import { followLinks, gitEntry } from "./tree_path.ts";
import { newStamp, updateCheckout } from "./update_checkout.ts";
import { withSession } from "./with_session.ts";

/**
 * Clones, updates, replaces and reads checkouts. Errors are `DaemonError`s: FAILED_PRECONDITION for what
 * the remote or the repository is to blame for, RESOURCE_EXHAUSTED and others for what the node lacks.
 */
export class Git implements GitStatusReader {
  readonly #options: GitOptions;

  private constructor(options: GitOptions) {
    this.#options = options;
  }

  /** Returns a Git for these options. */
  static open(options: GitOptions): Git {
    return new Git(options);
  }

  /** The protocols that remotes may use. */
  get protocols(): readonly string[] {
    return this.#options.protocols;
  }

  /** Makes a directory that `owner` owns, clones into it and checks the target out. */
  async clone(request: CheckoutRequest, place: CheckoutPlace & { owner: Owner }): Promise<void> {
    const { content } = this.#options;
    await content.makeDirectory(place.tree, place.location, place.owner);
    if (await gitEntry(content, place.tree, place.location)) {
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `there is a Git repository at ${JSON.stringify(place.location)} already`,
        { reason: "CONTENT_CONFLICT" },
      );
    }
    await this.#work(
      request,
      place,
      (git, bare, files) => cloneInto(git, bare, { ...this.#options, ...place, ...files }),
    );
  }

  /** Updates a restored checkout to its target, keeping local work; see `local_work.ts`. */
  async update(request: CheckoutRequest, place: CheckoutPlace): Promise<void> {
    const { content, contentOwner } = this.#options;
    const discarded = await content.create(contentOwner, workspaceOf(place.tree));
    try {
      await this.#work(
        request,
        place,
        (git, bare, files) =>
          updateCheckout(git, bare, { ...this.#options, ...place, ...files, discarded }),
      );
    } finally {
      await content.remove(discarded);
    }
  }

  /**
   * Replaces a restored checkout that cannot be updated by a fresh clone, keeping local work.
   * @param onTree called with the staging tree that is cloned into
   */
  async replace(
    request: CheckoutRequest,
    place: CheckoutPlace,
    onTree: (tree: Tree) => void,
  ): Promise<void> {
    const { content } = this.#options;
    const owner = await this.#newOwner(place);
    const fresh = await content.create(owner, workspaceOf(place.tree));
    const discarded = await content.create(owner, workspaceOf(place.tree));
    try {
      onTree(fresh);
      await this.clone(request, { ...place, tree: fresh, location: "", owner });
      await this.#adopt(place, { fresh, discarded, owner });
    } finally {
      await content.remove(discarded);
      await content.remove(fresh);
    }
  }

  /**
   * Returns the owner of a checkout's new repository. A folder of root's, in which git does not run, is
   * given to the content owner.
   */
  async #newOwner({ tree, location }: CheckoutPlace): Promise<Owner> {
    const { content, contentOwner, switchUser } = this.#options;
    const { owner, close } = await content.openDirectory(tree, location);
    await close();
    if (!switchUser) return contentOwner;
    if (owner.uid !== 0 || contentOwner.uid === 0) {
      return gitUser(owner, contentOwner, location);
    }
    await content.chownDirectory(tree, location, contentOwner);
    return contentOwner;
  }

  async #adopt(
    place: CheckoutPlace,
    trees: { fresh: Tree; discarded: Tree; owner: Owner },
  ): Promise<void> {
    const clone = await this.#options.content.openDirectory(trees.fresh, "");
    try {
      await withSession(
        this.#options,
        { ...place, owner: trees.owner, timeout: this.#options.timeout },
        async ({ git, scratch }) => {
          const { tree, location, signal } = place;
          const files = { ...this.#options, ...trees, tree, location, scratch, signal };
          await adoptClone(git, git.inDirectory(clone.path, {}), { ...files, stamp: newStamp() });
        },
      );
    } finally {
      await clone.close();
    }
  }

  async status(
    tree: Tree,
    checkoutLocation: string,
    { signal = new AbortController().signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<GitStatus | undefined> {
    const { content } = this.#options;
    const location = (await followLinks(content, tree, checkoutLocation))?.path;
    if (location === undefined) return undefined;
    if (!await gitEntry(content, tree, location)) return undefined;
    return await withSession(
      this.#options,
      { tree, location, signal },
      ({ git, scratch }) => readStatus(git, { ...this.#options, tree, location, scratch, signal }),
    );
  }

  /** Runs `work` with a session that has the request's logins, and the request without them. */
  async #work(
    request: CheckoutRequest,
    place: CheckoutPlace,
    work: (
      git: GitSession,
      bare: CheckoutRequest,
      files: { scratch: Scratch; owner: Owner },
    ) => Promise<void>,
  ): Promise<void> {
    const { timeout, egressProxy, protocols, clock, silence } = this.#options;
    const credentials = new Credentials();
    credentials.add(request.remote, request.login ?? request.remote.login);
    if (request.upstream) credentials.add(request.upstream, request.upstream.login);
    const { config, logins } = extractCredentials(request.config);
    for (const remote of logins) credentials.add(remote, remote.login);
    using proxySession: ProxySession = egressProxy.openSession();
    const network = { proxySession, credentials, protocols, clock };
    await withSession(
      this.#options,
      { ...place, timeout, silence, network },
      async ({ git, scratch, owner }) => {
        await checkHost(egressProxy, request.remote);
        if (request.upstream) await checkHost(egressProxy, request.upstream);
        await work(git, { ...request, config }, { scratch, owner });
      },
    );
  }
}

/** Returns the id of the workspace that a staging tree was made for. */
function workspaceOf({ name }: Tree): string | undefined {
  const group = groupOf(name);
  return isAnonymous(group) ? undefined : group;
}
