/** The options of Git, and the place of a checkout. */

import type { Clock } from "../clock.ts";
import type { Content, Owner, Tree } from "../content/mod.ts";
import type { EgressProxy } from "../outbound/mod.ts";
import type { FoundGit } from "./git_program.ts";

/** The services and limits of a `Git`. */
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
  /** Called with warnings for the caller, though nothing has failed; without secrets. */
  onWarning?: (message: string) => void;
}
