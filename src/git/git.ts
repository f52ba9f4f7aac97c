/**
 * Checkouts for initializers, and the status of live checkouts.
 *
 * Repositories are hostile. Every git process runs as the content's owner, in a clean environment with
 * its home in a private folder, reaches http(s) hosts through the egress proxy alone, and never reads a
 * config variable, a hook or a link that somebody else chose and that could make it run a program or
 * leave the workspace.
 */

import { dirname } from "@std/path";
import type { Clock } from "../clock.ts";
import { type Content, groupOf, isAnonymous, type Owner, type Tree } from "../content/mod.ts";
import { DaemonError, firstError } from "../errors.ts";
import type { EgressProxy, ProxySession } from "../outbound/mod.ts";
import type { GitStatus, GitStatusReader } from "./git_status.ts";
import { cloneInto } from "./clone_into.ts";
import { Credentials } from "./credentials.ts";
import { failureOf } from "./git_failure.ts";
import { extractCredentials } from "./extract_credentials.ts";
import { checkHost } from "./check_host.ts";
import { type FoundGit, programOf } from "./git_program.ts";
import type { CheckoutRequest } from "./checkout_request.ts";
import { adoptClone } from "./adopt_clone.ts";
import { Scratch } from "./scratch.ts";
import { GitSession } from "./git_session.ts";
import { readStatus } from "./read_status.ts";
import { followLinks, gitEntry } from "./tree_path.ts";
import { newStamp, updateCheckout } from "./update_checkout.ts";
import { gitUser } from "./git_user.ts";

/** What a {@link Git} uses, and its limits. */
export interface GitOptions {
  /** The git that was found on PATH when the daemon started. */
  found: FoundGit;
  content: Content;
  /** Absolute path of the content Workers' spool. */
  spool: string;
  /** Absolute path of a private folder, used by nothing else. */
  folder: string;
  /** Whether git runs as the owner of the content: true where the daemon is root. */
  switchUser: boolean;
  /** The owner of newly made content; git runs as root only where that is root. */
  contentOwner: Owner;
  /** Milliseconds for one checkout with its retries. */
  timeout: number;
  protocols: readonly string[];
  egressProxy: EgressProxy;
  clock: Clock;
  /** Seconds without a byte from an http(s) server until a transfer is tried again; 90 unless given. */
  silence?: number;
}

/** Where one checkout is, and how to end the work on it. */
export interface CheckoutPlace {
  tree: Tree;
  /** Path in the tree; empty for its top. */
  location: string;
  signal: AbortSignal;
  /** Told what the caller should know of though nothing has failed; without secrets. */
  onWarning?: (message: string) => void;
}

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
    { tree, location, signal, onWarning }: CheckoutPlace,
    trees: { fresh: Tree; discarded: Tree; owner: Owner },
  ): Promise<void> {
    const { content, folder, found: finding, timeout } = this.#options;
    const program = programOf(finding);
    const user = this.#user(trees.owner, location);
    const there = await content.openDirectory(tree, location);
    const clone = await content.openDirectory(trees.fresh, "");
    try {
      await using scratch = await Scratch.make(folder, user);
      const session = (cwd: string) =>
        new GitSession({
          program,
          cwd,
          user,
          home: scratch.home,
          onWarning,
          signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
        });
      const files = { ...this.#options, ...trees, tree, location, scratch, signal };
      await adoptClone(session(there.path), session(clone.path), { ...files, stamp: newStamp() });
    } catch (error) {
      throw await this.#failure(error, signal);
    } finally {
      await clone.close();
      await there.close();
    }
  }

  async status(
    tree: Tree,
    checkoutLocation: string,
    { signal = new AbortController().signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<GitStatus | undefined> {
    const { content, folder, found: finding } = this.#options;
    const location = (await followLinks(content, tree, checkoutLocation))?.path;
    if (location === undefined) return undefined;
    if (!await gitEntry(content, tree, location)) return undefined;
    const program = programOf(finding);
    const { path: cwd, owner, close } = await content.openDirectory(tree, location);
    try {
      const user = this.#user(owner, location);
      await using scratch = await Scratch.make(folder, user);
      const git = new GitSession({ program, cwd, user, home: scratch.home, signal });
      return await readStatus(git, { ...this.#options, tree, location, scratch, signal });
    } catch (error) {
      signal.throwIfAborted();
      throw await failureOf(firstError(error), dirname(folder));
    } finally {
      await close();
    }
  }

  #user(owner: Owner, location: string): Owner | undefined {
    const { switchUser, contentOwner } = this.#options;
    return switchUser ? gitUser(owner, contentOwner, location) : undefined;
  }

  /** Runs `work` with a session that has the request's logins, and the request without them. */
  async #work(
    request: CheckoutRequest,
    { tree, location, signal, onWarning }: CheckoutPlace,
    work: (
      git: GitSession,
      bare: CheckoutRequest,
      files: { scratch: Scratch; owner: Owner },
    ) => Promise<void>,
  ): Promise<void> {
    const {
      content,
      folder,
      found: finding,
      timeout,
      egressProxy,
      protocols,
      clock,
      silence,
    } = this.#options;
    const program = programOf(finding);
    const credentials = new Credentials();
    credentials.add(request.remote, request.login ?? request.remote.login);
    if (request.upstream) credentials.add(request.upstream, request.upstream.login);
    const { config, logins } = extractCredentials(request.config);
    for (const remote of logins) credentials.add(remote, remote.login);
    const { path: cwd, owner, close } = await content.openDirectory(tree, location);
    try {
      const user = this.#user(owner, location);
      using proxySession: ProxySession = egressProxy.openSession();
      await using scratch = await Scratch.make(folder, user, silence);
      await checkHost(egressProxy, request.remote);
      if (request.upstream) await checkHost(egressProxy, request.upstream);
      const git = new GitSession({
        program,
        cwd,
        user,
        home: scratch.home,
        onWarning,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
        network: { proxySession, credentials, protocols, clock },
      });
      await work(git, { ...request, config }, { scratch, owner });
    } catch (error) {
      throw await this.#failure(error, signal);
    } finally {
      await close();
    }
  }

  /** Returns the error that a caller is told. @throws the signal's reason where that has fired */
  async #failure(thrown: unknown, signal: AbortSignal): Promise<DaemonError> {
    signal.throwIfAborted();
    const { timeout, folder } = this.#options;
    const error = firstError(thrown);
    const isTimeout = error instanceof DOMException && error.name === "TimeoutError";
    return isTimeout ? tooLong(timeout, error) : await failureOf(error, dirname(folder));
  }
}

/** Returns the id of the workspace that a staging tree was made for. */
function workspaceOf({ name }: Tree): string | undefined {
  const group = groupOf(name);
  return isAnonymous(group) ? undefined : group;
}

function tooLong(timeout: number, cause: unknown): DaemonError {
  const message = `git did not finish within git.timeout (${timeout / 1000} s)`;
  return new DaemonError("FAILED_PRECONDITION", message, { cause, reason: "GIT_TIMEOUT" });
}
