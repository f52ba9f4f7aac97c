import type { ConfigEntry } from "./config_text.ts";
import type { Login, Remote } from "./remote.ts";

/** How a checkout's target is named; as `CloneTargetMode` of the protocol. */
export type TargetMode = "REMOTE_HEAD" | "REMOTE_COMMIT" | "REMOTE_BRANCH" | "LOCAL_BRANCH";

/** The target and the settings of a checkout. */
export interface CheckoutRequest {
  /** Becomes `origin`. */
  remote: Remote;
  /** Becomes the remote `upstream`. */
  upstream?: Remote;
  mode: TargetMode;
  /** A commit's hash, whole or not; a branch's name; with REMOTE_BRANCH also a tag's or any full ref. */
  target: string;
  /** Whether the whole history is fetched, instead of the last commit. */
  full: boolean;
  /** Variables for the repository's config. */
  config: readonly ConfigEntry[];
  /** For the remote's host; else the login in its URL is used. */
  login?: Login;
}
