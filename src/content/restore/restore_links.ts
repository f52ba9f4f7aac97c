/** Restores hard links. */

import { compareBytes } from "../../archive/mod.ts";
import { binarySearch } from "../../binary_search.ts";
import { type BlockRecord, dataLoss, KIND, RECORD } from "../../image/mod.ts";
import { isErrno, joinPath, splitLast } from "../../linux/mod.ts";
import type { OpenAreas } from "../areas.ts";
import { duplicateFile, LINK_REFUSALS } from "../duplicate_file.ts";
import type { Omissions } from "../omissions.ts";
import type { OperationContext } from "../operation.ts";
import { NAME_REFUSALS } from "./metadata_policy.ts";
import { hasWholeSeconds } from "./record_metadata.ts";
import { type RestoreStep, runStep, type StepRequest } from "./step.ts";
import type { WorkerPlan } from "./worker_plan.ts";

/**
 * Makes all hard links. Runs after all files and nodes were made: a link whose target is missing is
 * left out, because the target was.
 * @throws {DaemonError} DATA_LOSS naming the index if a link's target is in no record; ABORTED
 */
export function restoreLinks(
  areas: OpenAreas,
  request: StepRequest,
  context: OperationContext,
): Omissions {
  return runStep(areas, request, (step) => {
    const { plan, directories } = step;
    const made: { link: BlockRecord; target: BlockRecord }[] = [];
    const copies = new Map<number, LinkSource>();
    let links = 0;
    let bytes = 0;
    for (const link of linksOf(plan)) {
      context.throwIfCancelled();
      context.report(links++, bytes);
      bytes += link.block.size(link.record);
      const target = findTarget(plan, link.block.link(link.record));
      if (!target) throw dataLoss(request.plan.indexDigest, "a hard link names what is not there");
      const outcome = makeLink(step, link, target, copies);
      if (outcome === "omitted") step.omit(link.block, link.record);
      if (outcome === "linked") made.push({ link, target });
    }
    context.report(links, bytes);
    // Each link has changed the ctime of the inode, which all its names share.
    for (const { link, target } of made) {
      const dir = directories.open(link.block.path);
      const stat = dir.statEntry(link.block.name(link.record));
      link.block.setLocal(link.record, stat, hasWholeSeconds(stat));
      target.block.setLocal(target.record, stat, hasWholeSeconds(stat));
    }
  });
}

/** The name that a hard link is made from. */
interface LinkSource {
  /** Path of its directory. */
  readonly parent: Uint8Array;
  readonly name: Uint8Array;
}

/**
 * Makes a hard link, or a copy if the file system allows no more links of the inode. Later links of
 * the same target are links of the copy.
 * @param copies the last copy of each target, by the position of the target's record
 */
function makeLink(
  step: RestoreStep,
  link: BlockRecord,
  target: BlockRecord,
  copies: Map<number, LinkSource>,
): "linked" | "copied" | "omitted" {
  const dir = step.open(link.block);
  const hasTarget = !target.block.isOmitted(target.record) &&
    !target.block.isOmitted(target.block.self);
  if (!dir || !hasTarget) return "omitted";
  const from = copies.get(target.record) ?? splitLast(link.block.link(link.record));
  const isFile = target.block.kind(target.record) === KIND.file;
  const name = link.block.name(link.record);
  using source = step.directories.openUncached(from.parent);
  try {
    source.link(from.name, dir, name);
    return copies.has(target.record) ? "copied" : "linked";
  } catch (error) {
    if (isErrno(error, ...NAME_REFUSALS)) return "omitted";
    // The file was left out, for its name or its size; only other kinds are marked in their record.
    if (isErrno(error, "ENOENT") && isFile) return "omitted";
    if (!isErrno(error, ...LINK_REFUSALS)) throw error;
    if (!isFile) return "omitted";
    duplicateFile(source, from.name, dir, name);
    step.omissions.add("copied-link", joinPath(link.block.path, name));
    copies.set(target.record, { parent: link.block.path.slice(), name: name.slice() });
    return "copied";
  }
}

function* linksOf(plan: WorkerPlan): Generator<BlockRecord> {
  for (let n = 0; n < plan.directories; n++) {
    const block = plan.block(n);
    for (let record = block.first, end = block.end; record < end; record += RECORD) {
      if (block.kind(record) === KIND.link) yield { block, record };
    }
  }
}

/** Returns the record at `path`; `undefined` if there is none or a directory or another link. */
function findTarget(plan: WorkerPlan, path: Uint8Array): BlockRecord | undefined {
  const { parent, name } = splitLast(path);
  const directory = binarySearch(plan.directories, (n) => compareBytes(plan.block(n).path, parent));
  if (directory === undefined) return undefined;
  const block = plan.block(directory);
  const record = block.find(name);
  if (record === undefined || block.kind(record) === KIND.link) return undefined;
  return { block, record };
}
