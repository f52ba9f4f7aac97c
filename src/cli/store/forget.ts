/** `wsdaemon store forget`. */

import { Command, InvalidArgumentError } from "commander";
import { type Config, MIN_SNAPSHOT_TTL, parseCalendarSpan } from "../../config/mod.ts";
import {
  applyForget,
  type ForgetPlan,
  type ForgetPolicy,
  planForget,
  type PlannedImage,
} from "../../inspect/mod.ts";
import {
  joinPolicies,
  type KeepPolicy,
  sharedPolicies,
  type StorePolicy,
} from "../../snapshot/mod.ts";
import type { ObjectStore } from "../../store/mod.ts";
import { Failure } from "../failure.ts";
import { printError, printJson, printLine, table } from "../io.ts";
import { durationParser } from "../option_values.ts";
import { formatCount, formatTime, imageJson } from "./format.ts";
import { withStore } from "./session.ts";

const EXAMPLES = `
Forgets the backups and snapshots that a policy does not keep, for all identities or some; the next
"store gc" frees what nothing else needs. The policy is that of the config (backup.keep,
backup.retain, backup.otherLineages, snapshot.ttl) and of the daemons on the store, of which each keeps
what it keeps; or what the flags say in its place.
The rules are restic's: --keep-daily 7 keeps the newest backup of each of the last 7 days that have one,
--keep-within 1y5m7d2h what is newer than that before the newest one (m are months), and a backup stays
if any rule keeps it. The newest one of an identity, and the last of each lineage that nothing goes on
from, stay whatever the rules say.
A snapshot is kept while workspaces that were started from it are on any node.
What would forget every backup, or all or most snapshots, is refused without --force.

Examples:
    $ wsdaemon store forget --dry-run
    $ wsdaemon store forget --dry-run --owner alice --keep-last 3 --keep-daily 7 --keep-monthly 12
    $ wsdaemon store forget --snapshot-ttl 90d
`;

interface ForgetFlags {
  owner?: string;
  metaId?: string;
  keepLast?: number;
  keepWithin?: KeepPolicy["within"];
  keepHourly?: number;
  keepDaily?: number;
  keepWeekly?: number;
  keepMonthly?: number;
  snapshotTtl?: number;
  dryRun?: boolean;
  force?: boolean;
}

/** Returns `store forget`. */
export function forgetCommand(): Command {
  return new Command("forget")
    .description("Forget the backups and snapshots that a policy does not keep")
    .option("--owner <owner>", "of this owner only")
    .option("--meta-id <id>", "of this meta_id only")
    .option("--keep-last <n>", "keep the newest n backups", count)
    .option("--keep-within <span>", "keep backups newer than this before the newest one", span)
    .option("--keep-hourly <n>", "keep the newest backup of n hours", count)
    .option("--keep-daily <n>", "keep the newest backup of n days", count)
    .option("--keep-weekly <n>", "keep the newest backup of n weeks", count)
    .option("--keep-monthly <n>", "keep the newest backup of n months", count)
    .option(
      "--snapshot-ttl <duration>",
      "forget snapshots that are older and unused",
      durationParser("90d", MIN_SNAPSHOT_TTL),
    )
    .option("--dry-run", "show what is kept and why, forget nothing")
    .option("--force", "forget even all of it")
    .addHelpText("after", EXAMPLES)
    .action(async (flags: ForgetFlags, command: Command) => {
      await withStore(command, async ({ store, config, signal, json }) => {
        const { owner, metaId, dryRun = false, force = false } = flags;
        const policy = await policyOf(flags, config, { store, signal });
        const filter = {
          ...(owner === undefined ? {} : { owner }),
          ...(metaId === undefined ? {} : { metaId }),
        };
        const plan = await planForget(store, policy, { filter, signal });
        for (const { key, error } of plan.unreadable) {
          printError(`error: ${error.code}: ${key} is left alone: ${error.message}`);
        }
        if (!dryRun) await applyForget(store, plan, { policy, force, signal });
        if (json) printJson(planJson(plan, dryRun));
        else for (const line of describe(plan, dryRun)) printLine(line);
        if (plan.unreadable.length > 0) throw new Failure();
      });
    });
}

/**
 * Returns the policy of the flags. What they leave out (the rules of backups all together) is the config's,
 * and that of every daemon on the store: what any of them keeps stays.
 */
async function policyOf(
  flags: ForgetFlags,
  { backup, snapshot, store: { gc } }: Config,
  { store, signal }: { store: ObjectStore; signal: AbortSignal },
): Promise<ForgetPolicy> {
  const keep: KeepPolicy = {
    last: flags.keepLast,
    within: flags.keepWithin,
    hourly: flags.keepHourly,
    daily: flags.keepDaily,
    weekly: flags.keepWeekly,
    monthly: flags.keepMonthly,
  };
  const isGiven = Object.values(keep).some((rule) => rule !== undefined);
  const { retain, otherLineages, keep: configured } = backup;
  const own: StorePolicy = {
    backups: { retain, otherLineages, ...(configured ? { keep: configured } : {}) },
    ...(snapshot.ttl === undefined ? {} : { snapshotTtl: snapshot.ttl }),
    graceMs: gc.grace,
  };
  const joined = joinPolicies([own, ...(await sharedPolicies(store, { signal })).values()]);
  const snapshotTtl = flags.snapshotTtl ?? joined.snapshotTtl;
  return {
    backups: isGiven ? [{ retain: 0, otherLineages, keep }] : joined.backups,
    ...(snapshotTtl === undefined ? {} : { snapshotTtl }),
  };
}

function describe({ images, needsForce }: ForgetPlan, dryRun: boolean): string[] {
  const dropped = images.filter(({ isKept }) => !isKept);
  const would = dryRun ? "would be forgotten" : "forgotten";
  const rows = images.map((image) => row(image, dryRun));
  const widths = table([["", "KIND", "OWNER", "META_ID", "CREATED", "WHY", "URL"], ...rows]);
  return [
    ...(images.length > 0 ? [widths] : []),
    `${formatCount(images.length - dropped.length)} kept, ${formatCount(dropped.length)} ${would}`,
    ...(dryRun && needsForce ? [`refused without --force: ${needsForce}`] : []),
    ...(!dryRun && dropped.length > 0
      ? ['What only they needed is freed by the next "wsdaemon store gc".']
      : []),
  ];
}

function row(image: PlannedImage, dryRun: boolean): string[] {
  const { isKept, kind, owner, metaId, createdAt, reasons, url } = image;
  const what = isKept ? "keep" : dryRun ? "forget" : "forgot";
  return [what, kind, owner, metaId, formatTime(createdAt), reasons.join(", "), url];
}

function planJson({ images, unreadable, needsForce }: ForgetPlan, dryRun: boolean) {
  return {
    dryRun,
    images: images.map((image) => ({
      ...imageJson(image),
      kept: image.isKept,
      reasons: image.reasons,
    })),
    unreadable: unreadable.map(({ key, error }) => ({ key, problem: error.message })),
    ...(needsForce === undefined ? {} : { needsForce }),
  };
}

function count(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError("Expected a whole number.");
  return Number(text);
}

function span(text: string): NonNullable<KeepPolicy["within"]> {
  const parsed = parseCalendarSpan(text);
  if (!parsed) throw new InvalidArgumentError('Expected a span such as "1y5m7d2h".');
  return parsed;
}
