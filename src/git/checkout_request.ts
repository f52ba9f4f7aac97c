/** What a checkout is to become. */

import type { ConfigEntry } from "./config_text.ts";
import type { Login, Remote } from "./remote.ts";

/** As in the contract's `CloneTargetMode`. */
export type TargetMode = "REMOTE_HEAD" | "REMOTE_COMMIT" | "REMOTE_BRANCH" | "LOCAL_BRANCH";

export interface CheckoutRequest {
  remote: Remote;
  upstream?: Remote;
  mode: TargetMode;
  /** A commit's hash, whole or not; a branch's name; with REMOTE_BRANCH also a tag's or any full ref. */
  target: string;
  /** The whole history instead of the last commit. */
  full: boolean;
  config: readonly ConfigEntry[];
  /** For the host of the remote. */
  login?: Login;
}
