/** The initializers: what a workspace starts from. One file a kind; this one knows which is which. */

import type { InitializerContext, Initializers, InitializerSpec } from "./initializer.ts";
import { checkOrder, type Member, membersOf } from "./composite.ts";
import { runDownload, validateDownload } from "./download.ts";
import { runGit, validateGit } from "./git.ts";
import { GitMetrics } from "./git_metrics.ts";
import { parseLocation } from "./location.ts";
import { CredentialResolver } from "./credential_resolver.ts";
import { runPrebuild, validatePrebuild } from "./prebuild.ts";
import { runBackup, runSnapshot, validateBackup, validateSnapshot } from "./restore.ts";
import type { Metrics } from "../telemetry/mod.ts";
import { type RunServices, type Services, STANDARD_TUNING, type Tuning } from "./services.ts";

/** The initializers on these services. */
export function createInitializers(
  parts: Omit<Services, "metrics" | "tuning"> & { metrics: Metrics; tuning?: Partial<Tuning> },
): Initializers {
  const services: Services = {
    ...parts,
    metrics: new GitMetrics(parts.metrics),
    tuning: { ...STANDARD_TUNING, ...parts.tuning },
  };
  return {
    validate(spec, path) {
      const parts = membersOf(spec, path);
      for (const part of parts) validatePart(part, services);
      checkOrder(parts);
    },
    async run(spec, context) {
      const shared: RunServices = { ...services, logins: new CredentialResolver(services.gate) };
      const allowed = withOwnContentAllowed(context);
      for (const part of membersOf(spec, "initializer")) {
        context.signal.throwIfAborted();
        await runPart(part, allowed, shared);
      }
    },
    checkoutLocation,
  };
}

/**
 * Content that exceeds the quota was restored all the same because it is the identity's own. It does
 * not count against what comes after it: an update of its checkout may take as much as the quota.
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

function validatePart({ spec, path }: Member, services: Services): void {
  switch (spec.kind) {
    case "empty":
      return;
    case "git":
      return validateGit(spec, path, services);
    case "snapshot":
      return validateSnapshot(spec, path);
    case "prebuild":
      return validatePrebuild(spec, path, services);
    case "download":
      return validateDownload(spec, path);
    case "backup":
      return validateBackup(spec, path);
  }
}

async function runPart(
  { spec }: Member,
  context: InitializerContext,
  services: RunServices,
): Promise<void> {
  switch (spec.kind) {
    case "empty":
      return;
    case "git":
      return await runGit(spec, context, services);
    case "snapshot":
      return await runSnapshot(spec, context);
    case "prebuild":
      return await runPrebuild(spec, context, services);
    case "download":
      return await runDownload(spec, context, services);
    case "backup":
      return await runBackup(context);
  }
}

/** The first checkout's location, else a backup's, else the top folder. */
function checkoutLocation(spec: InitializerSpec): string {
  const parts = membersOf(spec, "initializer").map((part) => part.spec);
  const checkouts = parts.flatMap((part) =>
    part.kind === "git" ? [part] : part.kind === "prebuild" ? part.git : []
  );
  const location = checkouts[0]?.checkoutLocation ??
    parts.find((part) => part.kind === "backup")?.checkoutLocation ?? "";
  return parseLocation(location, "checkout_location");
}
