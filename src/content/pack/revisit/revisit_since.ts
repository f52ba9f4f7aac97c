/** Finds out what changed in a frozen tree since its last image, or why the tree is to be walked. */

import type { Digest } from "../../../digest.ts";
import { messageOf } from "../../../errors.ts";
import { RECORD } from "../../../image/mod.ts";
import { type Directory, type File, isSameBtrfs, SystemError } from "../../../linux/mod.ts";
import type { OpenAreas } from "../../areas.ts";
import type { BaselineReader } from "../../baseline/baseline_reader.ts";
import { decodeFrozenState } from "../../baseline/frozen_state.ts";
import { volumeAt } from "../../volume/choose_volume.ts";
import { type DeviceAlias, nameInBaseline } from "../../volume/device_names.ts";
import { formatState } from "../../volume/tree_state.ts";
import { reusableLayers } from "../scan/previous_tree.ts";
import type { Excludes } from "../exclude/excludes.ts";
import { Contradiction, planRevisit } from "./plan_revisit.ts";
import type { RevisitPlan } from "./revisit_plan.ts";

/** If a larger part of all inodes has changed, a walk is as fast. */
const MOST_CHANGED = 1 / 3;
/** As many changed inodes are always worth a plan. */
const FEW_CHANGED = 1000;

/** A frozen tree and its last image. */
export interface RevisitRequest {
  readonly areas: OpenAreas;
  /** The frozen tree, with its devices named. */
  readonly top: Directory;
  /** The verified baseline. */
  readonly file: File;
  readonly baseline: BaselineReader;
  /** Its aliases. */
  readonly aliases: readonly DeviceAlias[];
  /** Layers of the baseline that are still stored. */
  readonly reuse: ReadonlySet<Digest>;
  /** What is left out; absent for nothing. */
  readonly excludes?: Excludes | undefined;
}

/** A plan, or why there is none, in words that follow "because". */
export interface Revisit {
  readonly revisit?: RevisitPlan;
  readonly walkReason?: string;
}

/** Plans what a pack looks at. Whatever is in doubt has the whole tree walked. */
export function revisitSince(request: RevisitRequest): Revisit {
  try {
    const plan = tryToPlan(request);
    return typeof plan === "string" ? { walkReason: plan } : { revisit: plan };
  } catch (error) {
    if (!(error instanceof SystemError || error instanceof Contradiction)) throw error;
    return { walkReason: messageOf(error) };
  }
}

function tryToPlan(
  { areas, top, file, baseline, aliases, reuse, excludes }: RevisitRequest,
): RevisitPlan | string {
  const { snapshots } = volumeAt(areas.staging);
  if (!snapshots) return "the file system cannot tell what has changed";
  if (!isSameBtrfs(areas.baselines, top)) return "baselines are on another file system";
  const before = decodeFrozenState(baseline.frozenState(file), file.birth());
  if (before.problem !== undefined) return before.problem;
  const { blockBytes } = baseline.header;
  const limit = Math.max(FEW_CHANGED, Math.floor(blockBytes / RECORD * MOST_CHANGED));
  const changes = snapshots.changedSince(top, formatState(before.state), limit);
  if (changes.problem !== undefined) return changes.problem;
  return planRevisit({
    top,
    baseline,
    changed: changes.subvolumes.map(({ device, inodes }) => ({
      device: nameInBaseline(device, aliases),
      inodes,
    })),
    reusable: reusableLayers(baseline, reuse),
    excludes,
  });
}
