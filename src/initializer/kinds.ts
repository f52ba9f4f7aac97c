/**
 * Lists every kind of initializer. A kind of `specs.ts` that the table lacks, or has without one of its
 * parts, does not compile.
 */

import { backup, type BackupPlan } from "./backup.ts";
import { download, type DownloadPlan } from "./download.ts";
import { empty, type EmptyPlan } from "./empty.ts";
import { git, type GitPlan } from "./git.ts";
import type {
  CheckoutLocation,
  InitializerContext,
  InitializerKind,
  ParseRules,
  RunServices,
} from "./initializer_kind.ts";
import { prebuild, type PrebuildPlan } from "./prebuild.ts";
import { snapshot, type SnapshotPlan } from "./snapshot.ts";
import type { MemberKind, SpecOf } from "./specs.ts";

/** The plan of each kind. */
interface Plans {
  backup: BackupPlan;
  download: DownloadPlan;
  empty: EmptyPlan;
  git: GitPlan;
  prebuild: PrebuildPlan;
  snapshot: SnapshotPlan;
}

const KINDS: { readonly [Kind in MemberKind]: InitializerKind<SpecOf<Kind>, Plans[Kind]> } = {
  backup,
  download,
  empty,
  git,
  prebuild,
  snapshot,
};

/** A parsed initializer of any kind. */
export interface PlannedMember {
  /** Its field in the request, for messages. */
  readonly path: string;
  readonly fills: InitializerKind<never, never>["fills"];
  readonly checkout: CheckoutLocation | undefined;
  /** Fills the tree; errors are those of {@link InitializerKind.run}. */
  run(context: InitializerContext, services: RunServices): Promise<void>;
}

/**
 * Parses a spec by its kind.
 * @throws {DaemonError} INVALID_ARGUMENT naming the field
 */
export function planMember<Kind extends MemberKind>(
  kind: Kind,
  spec: SpecOf<Kind>,
  path: string,
  rules: ParseRules,
): PlannedMember {
  const initializer: InitializerKind<SpecOf<Kind>, Plans[Kind]> = KINDS[kind];
  const plan = initializer.parse(spec, path, rules);
  return {
    path,
    fills: initializer.fills,
    checkout: initializer.checkout(plan),
    run: (context, services) => initializer.run(plan, context, services),
  };
}
