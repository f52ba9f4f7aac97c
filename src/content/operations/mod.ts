/**
 * The operations of a content Worker, by the name that the daemon's thread asks for them with.
 *
 * The Worker imports this file for its code. The daemon's thread imports types only, from which
 * `protocol.ts` derives what each operation takes, returns and emits.
 */

import type { Operation } from "../operation.ts";
import { commitBaseline, dropBaseline } from "../baseline/tokens.ts";
import { baselineLayers, discardSpool, packPrepare } from "../pack/prepare.ts";
import { packFinish } from "../pack/merge/finish.ts";
import { packPart } from "../pack/part.ts";
import { restoreLayers } from "../restore/apply_layers.ts";
import { restorePlan } from "../restore/restore_plan.ts";
import { restoreBaseline } from "../restore/restore_baseline.ts";
import {
  restoreClosedDirectories,
  restoreDirectories,
  restoreMetadata,
} from "../restore/restore_directories.ts";
import {
  finishChunkedFiles,
  makeChunkedFiles,
  readChunk,
  restoreChunks,
} from "../restore/restore_chunks.ts";
import { restoreFiles, restoreVerify } from "../restore/restore_files.ts";
import { restoreParts } from "../restore/layer_parts.ts";
import { restoreLinks } from "../restore/restore_links.ts";
import { restoreNodes } from "../restore/restore_nodes.ts";
import { restorePart, restoreSplitFiles } from "../restore/restore_part.ts";
import {
  clear,
  deleteInPlace,
  deleteTrash,
  discardLeftovers,
  leftovers,
  trash,
} from "./deletion.ts";
import {
  adoptBase,
  cloneBase,
  listBases,
  makeBase,
  measureBase,
  removeBase,
  removeHalfMadeBase,
  sealBase,
  spaceOfBases,
} from "./bases.ts";
import { copyOut } from "./copy_out.ts";
import {
  emptyFolder,
  fillFolder,
  identifyFolder,
  inspectFolder,
  isEmptyFolder,
} from "./folders.ts";
import { extract } from "./extract.ts";
import { closeDirectory, openDirectory } from "./open_directory.ts";
import { hashFile, inspectPaths, readLink } from "./inspect_paths.ts";
import { freezeTree, isUnchanged } from "./freeze.ts";
import { list } from "./list.ts";
import { chownDirectory, makeDirectory } from "./make_directory.ts";
import { movePaths } from "./move_paths.ts";
import { peerCredentials } from "./peer_credentials.ts";
import { processUsage } from "./process_usage.ts";
import { place } from "./place.ts";
import { create, exists, publish, published } from "./trees.ts";
import { placeReadyFile, removeReadyFile } from "./ready_file.ts";
import { usage } from "./usage.ts";
import { limitTree, probeVolume, sweepLimits, treeUsages } from "./volume.ts";

/** All operations. Adding one here makes it callable by `Dispatcher.run`, with its types. */
export const operations = {
  adoptBase,
  baselineLayers,
  clear,
  cloneBase,
  closeDirectory,
  commitBaseline,
  copyOut,
  create,
  deleteInPlace,
  deleteTrash,
  discardLeftovers,
  discardSpool,
  dropBaseline,
  emptyFolder,
  exists,
  extract,
  fillFolder,
  finishChunkedFiles,
  freezeTree,
  chownDirectory,
  hashFile,
  identifyFolder,
  inspectFolder,
  inspectPaths,
  isEmptyFolder,
  leftovers,
  isUnchanged,
  limitTree,
  list,
  listBases,
  makeBase,
  makeChunkedFiles,
  makeDirectory,
  measureBase,
  movePaths,
  openDirectory,
  packFinish,
  packPart,
  packPrepare,
  peerCredentials,
  place,
  placeReadyFile,
  probeVolume,
  processUsage,
  publish,
  published,
  readChunk,
  readLink,
  removeBase,
  removeHalfMadeBase,
  removeReadyFile,
  restoreBaseline,
  restoreChunks,
  restoreClosedDirectories,
  restoreDirectories,
  restoreFiles,
  restoreLayers,
  restoreLinks,
  restoreMetadata,
  restoreNodes,
  restorePart,
  restoreParts,
  restorePlan,
  restoreSplitFiles,
  restoreVerify,
  sealBase,
  spaceOfBases,
  sweepLimits,
  trash,
  treeUsages,
  usage,
} satisfies Record<string, Operation<never, unknown, never>>;
