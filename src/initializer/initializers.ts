/** Parses specs of any kind of initializer into plans, and runs plans. */

import type { Metrics } from "../telemetry/mod.ts";
import { restoreBackupIfAny } from "./backup.ts";
import { checkOrder, membersOf } from "./composite.ts";
import { CredentialResolver } from "./credential_resolver.ts";
import {
  type InitializerContext,
  type RunServices,
  type Services,
  STANDARD_TUNING,
  type Tuning,
} from "./initializer_kind.ts";
import { InitializerMetrics } from "./initializer_metrics.ts";
import { planMember, type PlannedMember } from "./kinds.ts";
import type { InitializerSpec } from "./specs.ts";

/** A request's initializer, checked and ready to run. */
export interface InitializerPlan {
  readonly members: readonly PlannedMember[];
  /** Where `git status` looks when the workspace goes; empty for the top folder. */
  readonly checkoutLocation: string;
}

/** Parses and runs initializers of every kind. */
export interface Initializers {
  /**
   * Checks a spec before anything is touched.
   * @param path the field of the request that holds it, such as `initializer`
   * @throws {DaemonError} INVALID_ARGUMENT naming the field below `path`, such as
   *   `initializer.git.remote_uri`
   */
  parse(spec: InitializerSpec, path: string): InitializerPlan;
  /**
   * Fills the tree; the caller deletes it where this fails.
   * @throws {DaemonError} as `InitializerKind.run` says, or the signal's reason
   */
  run(plan: InitializerPlan, context: InitializerContext): Promise<void>;
}

/** Options of {@link createInitializers}; times that are not given are a daemon's. */
export interface InitializersOptions extends Omit<Services, "metrics" | "tuning"> {
  metrics: Metrics;
  /** Whether the identity's backup is restored, where there is one, whatever a plan says. */
  preferBackup?: boolean;
  tuning?: Partial<Tuning>;
}

/** Returns the initializers that work with these services, and registers their metrics. */
export function createInitializers(options: InitializersOptions): Initializers {
  const services: Services = {
    ...options,
    metrics: new InitializerMetrics(options.metrics),
    tuning: { ...STANDARD_TUNING, ...options.tuning },
  };
  const rules = { protocols: services.git.protocols };
  return {
    parse(spec, path) {
      const members = membersOf(spec, path)
        .map((member) => planMember(member.spec.kind, member.spec, member.path, rules));
      checkOrder(members);
      return { members, checkoutLocation: checkoutLocationOf(members) };
    },
    async run(plan, context) {
      const credentials = new CredentialResolver(services);
      const shared: RunServices = { ...services, credentials };
      const allowed = withOwnContentAllowed(context);
      if (options.preferBackup && await restoreBackupIfAny(allowed)) {
        return context.onBackupPreferred?.();
      }
      for (const member of plan.members) {
        context.signal.throwIfAborted();
        await member.run(allowed, shared);
      }
    },
  };
}

/**
 * Returns a context in which content that exceeds the quota does not count. It was restored all the same
 * because it is the identity's own; an update of its checkout may then take as much as the quota.
 */
function withOwnContentAllowed(context: InitializerContext): InitializerContext {
  const allowed: InitializerContext = {
    ...context,
    onRestored(result) {
      const { limitBytes } = context;
      if (limitBytes !== undefined && result.diskBytes > limitBytes) {
        allowed.limitBytes = result.diskBytes + limitBytes;
      }
      context.onRestored(result);
    },
  };
  return allowed;
}

/** Returns the first checkout that is made, else the first that is named, else the top folder. */
function checkoutLocationOf(members: readonly PlannedMember[]): string {
  const checkouts = members.map(({ checkout }) => checkout).filter((one) => one !== undefined);
  return (checkouts.find(({ isMade }) => isMade) ?? checkouts[0])?.location ?? "";
}
