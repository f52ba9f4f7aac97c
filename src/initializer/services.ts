/** What initializers work with besides the workspace that they fill. */

import type { Clock } from "../clock.ts";
import type { Git } from "../git/mod.ts";
import type { EgressProxy } from "../outbound/mod.ts";
import type { CredentialResolver } from "./credential_resolver.ts";
import type { GitMetrics } from "./git_metrics.ts";

export interface Services {
  git: Git;
  gate: EgressProxy;
  clock: Clock;
  /** Absolute path of the content Workers' spool. */
  spool: string;
  tuning: Tuning;
  metrics: GitMetrics;
}

/** What one initialisation's parts share. */
export interface RunServices extends Services {
  logins: CredentialResolver;
}

/** Times that tests shorten. */
export interface Tuning {
  /** Milliseconds without progress after which a download is taken up again. */
  stallTimeout: number;
  /** Milliseconds between two looks at how large a checkout has become. */
  usageInterval: number;
}

export const STANDARD_TUNING: Readonly<Tuning> = { stallTimeout: 60_000, usageInterval: 5_000 };
