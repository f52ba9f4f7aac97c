/** The parts of a kind of initializer, and the services that it works with. */

import type { Clock } from "../clock.ts";
import type { Content, Owner, Tree } from "../content/mod.ts";
import type { Git } from "../git/mod.ts";
import type { EgressProxy } from "../outbound/mod.ts";
import type { Images, RestoredImage, WorkspaceIdentity } from "../snapshot/mod.ts";
import type { CredentialResolver } from "./credential_resolver.ts";
import type { InitializerMetrics } from "./initializer_metrics.ts";

/**
 * One kind of initializer. `parse` is the only place that looks at the form of a request: what it
 * returns is normalised and typed, so that `run` fails only for what it finds in the world.
 */
export interface InitializerKind<Spec, Plan> {
  /**
   * How much of the tree it makes. What fills the whole tree can only be the first member of a
   * composite that makes anything, because it is restored into an empty tree.
   */
  readonly fills: "nothing" | "a part" | "the whole tree";

  /**
   * Checks a spec and returns what is to be done. Touches nothing.
   * @param path the spec's field in the request, such as `initializer.composite.initializer[0].git`
   * @throws {DaemonError} INVALID_ARGUMENT naming the field below `path`, and repeating no secret
   */
  parse(spec: Spec, path: string, rules: ParseRules): Plan;

  /**
   * Fills the tree, which the caller deletes where this fails.
   * @throws {DaemonError} FAILED_PRECONDITION where the source is at fault (a clone, a digest, a missing
   *   backup), NOT_FOUND for an unknown snapshot, PERMISSION_DENIED for one of another owner,
   *   RESOURCE_EXHAUSTED for the quota or a full disk, DATA_LOSS and UNAVAILABLE of the object store; or
   *   the signal's reason
   */
  run(plan: Plan, context: InitializerContext, services: RunServices): Promise<void>;

  /** Returns where `git status` is to look when the workspace goes; `undefined` where it says nothing. */
  checkout(plan: Plan): CheckoutLocation | undefined;
}

/** A folder of the tree to read Git's status in. */
export interface CheckoutLocation {
  /** Relative to the workspace's top folder; empty for that folder. */
  location: string;
  /** Whether the initializer makes the checkout; one that it only names comes second. */
  isMade: boolean;
}

/** The rules by which the form of a spec is checked. */
export interface ParseRules {
  /** The protocols that remotes may use, such as `https`. */
  protocols: readonly string[];
}

/** The initialisation that an initializer works for. */
export interface InitializerContext {
  /** The staging tree to fill; empty for the first initializer. */
  tree: Tree;
  content: Content;
  images: Images;
  identity: WorkspaceIdentity;
  /** False where remote storage is disabled, by the request or by the config. */
  remoteStorage: boolean;
  /** The owner of newly made content. */
  contentOwner: Owner;
  /** The workspace's quota in bytes on disk, where there is one. */
  limitBytes?: number;
  signal: AbortSignal;
  /** Called with warnings for the caller, though nothing has failed; without secrets. */
  onWarning?: (message: string) => void;
  /** Called with what a restore made; its baseline is uncommitted, see Content.commitBaseline. */
  onRestored(result: RestoredImage): void;
  /** Called where the identity's backup was restored in place of what the plan says. */
  onBackupPreferred?: () => void;
}

/** The services that initializers use. */
export interface Services {
  git: Git;
  egressProxy: EgressProxy;
  clock: Clock;
  /** Absolute path of the content Workers' spool. */
  spool: string;
  tuning: Tuning;
  metrics: InitializerMetrics;
}

/** Services and what the members of one initialisation share. */
export interface RunServices extends Services {
  credentials: CredentialResolver;
}

/** Times that tests shorten. */
export interface Tuning {
  /** Milliseconds without progress after which a download is taken up again. */
  stallTimeout: number;
  /** Milliseconds between two measurements of a checkout's size. */
  usageInterval: number;
}

/** The times of a daemon. */
export const STANDARD_TUNING: Readonly<Tuning> = { stallTimeout: 60_000, usageInterval: 5_000 };
