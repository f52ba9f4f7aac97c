/** Opens what git needs to work in one directory of a tree, and closes it afterwards. */

import { dirname } from "@std/path";
import type { Owner } from "../content/mod.ts";
import { DaemonError, firstError } from "../errors.ts";
import { failureOf } from "./git_failure.ts";
import type { CheckoutPlace, GitOptions } from "./git_options.ts";
import { programOf } from "./git_program.ts";
import { GitSession, type SessionOptions } from "./git_session.ts";
import { gitUser } from "./git_user.ts";
import { Scratch } from "./scratch.ts";

/** Where a session works, and its limits. */
export interface SessionPlace extends CheckoutPlace {
  /** The owner that git runs as; the directory's unless given. */
  owner?: Owner;
  /** The time limit of the session besides the signal; none unless given. Milliseconds. */
  timeout?: number;
  /** See {@link GitOptions.silence}. */
  silence?: number | undefined;
  /** How to reach other hosts; without it git reaches none. */
  network?: SessionOptions["network"];
}

/** A session in a directory, and what was opened for it. */
export interface OpenedSession {
  git: GitSession;
  scratch: Scratch;
  /** The directory's owner. */
  owner: Owner;
}

/**
 * Runs `work` with a session in a directory of a tree and a private folder, both closed afterwards.
 * @throws {DaemonError} what git failed with, by who is to blame; the signal's reason where that has fired
 */
export async function withSession<T>(
  options: GitOptions,
  place: SessionPlace,
  work: (opened: OpenedSession) => Promise<T>,
): Promise<T> {
  const { content, folder, switchUser, contentOwner } = options;
  const { tree, location, signal, timeout, network } = place;
  const program = programOf(options.found);
  const { path: cwd, owner, close } = await content.openDirectory(tree, location);
  try {
    const runsAs = place.owner ?? owner;
    const user = switchUser ? gitUser(runsAs, contentOwner, location) : undefined;
    await using scratch = await Scratch.make(folder, user, {
      silence: place.silence,
      authorities: network && options.egressProxy.authorities,
    });
    const git = new GitSession({
      program,
      cwd,
      user,
      home: scratch.home,
      onWarning: place.onWarning,
      signal: timeout === undefined
        ? signal
        : AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
      ...(network ? { network } : {}),
    });
    return await work({ git, scratch, owner });
  } catch (error) {
    signal.throwIfAborted();
    throw await callerError(firstError(error), options);
  } finally {
    await close();
  }
}

/** Returns the error that a caller is told. */
async function callerError(error: unknown, { timeout, folder }: GitOptions): Promise<DaemonError> {
  if (!(error instanceof DOMException && error.name === "TimeoutError")) {
    return await failureOf(error, dirname(folder));
  }
  const message = `git did not finish within git.timeout (${timeout / 1000} s)`;
  return new DaemonError("FAILED_PRECONDITION", message, {
    cause: error,
    reason: "GIT_TIMEOUT",
  });
}
