/** The download initializer: fetches files from URLs and checks each against its digest. */

import { join } from "@std/path";
import { type ParsedDigest, parseDigest } from "../digest.ts";
import { DaemonError, invalid } from "../errors.ts";
import { inStep } from "../operations/mod.ts";
import { HttpClient } from "../outbound/mod.ts";
import type { LocalFile } from "../spool.ts";
import { conflictError } from "./conflict.ts";
import { DownloadAllowance } from "./download_allowance.ts";
import { fetchFile } from "./fetch_file.ts";
import type { InitializerContext, InitializerKind, RunServices } from "./initializer_kind.ts";
import { bytesLeft } from "./limit.ts";
import { joinLocations, parseLocation } from "./location.ts";
import { PathConflicts } from "./path_conflicts.ts";
import type { DownloadSpec } from "./specs.ts";
import { parseDownloadUrl } from "./urls.ts";

const FILE_MODE = 0o644;

/** A file to fetch. */
interface PlannedFile {
  /** The URL, which may be secret. */
  url: string;
  /** Relative to the workspace's top folder. */
  path: string;
  digest: ParsedDigest;
}

/** The files to fetch, at least one, in this order. */
export type DownloadPlan = readonly PlannedFile[];

/** The download initializer. */
export const download: InitializerKind<DownloadSpec, DownloadPlan> = {
  fills: "a part",
  parse: parseDownload,
  run: runDownload,
  checkout: () => undefined,
};

function parseDownload(spec: DownloadSpec, path: string): DownloadPlan {
  const target = parseLocation(spec.targetLocation, `${path}.target_location`);
  if (spec.files.length === 0) throw invalid(`${path}.files`, "must name at least one file");
  const conflicts = new PathConflicts();
  return spec.files.map(({ url, filePath, digest }, index) => {
    const field = `${path}.files[${index}]`;
    parseDownloadUrl(url, `${field}.url`);
    const place = parseLocation(filePath, `${field}.file_path`);
    if (place === "") throw invalid(`${field}.file_path`, "must name a file");
    conflicts.add(place, `${field}.file_path`);
    const parsed = parseDigest(digest);
    if (!parsed) {
      throw invalid(`${field}.digest`, "must be sha256:<64 hex digits> or sha512:<128 hex digits>");
    }
    return { url, path: joinLocations(target, place), digest: parsed };
  });
}

async function runDownload(
  files: DownloadPlan,
  context: InitializerContext,
  services: RunServices,
): Promise<void> {
  await inStep({ kind: "download" }, async (operation) => {
    operation?.progress.setTotal({ files: files.length });
    operation?.enter("downloading");
    await downloadAll(files, context, services, () => operation?.progress.add({ files: 1 }));
  });
}

/** Downloads files one after the other. @param onFile called once a file is in its place */
async function downloadAll(
  files: DownloadPlan,
  context: InitializerContext,
  services: RunServices,
  onFile: () => void,
): Promise<void> {
  const allowance = new DownloadAllowance(await bytesLeft(context));
  using client = new HttpClient(services.egressProxy);
  for (const { url, path, digest } of files) {
    try {
      const limitBytes = allowance.forFile(path);
      const file = await fetchFile(url, digest, {
        ...services,
        stallTimeout: services.tuning.stallTimeout,
        client,
        signal: context.signal,
        limitBytes,
      });
      allowance.use(file.size);
      await place(file, path, context, services);
      onFile();
    } catch (error) {
      context.signal.throwIfAborted();
      if (!(error instanceof DaemonError)) throw error;
      throw error.withContext(`Cannot download ${JSON.stringify(path)}`);
    }
  }
}

/** Moves a fetched file to its path in the tree; deletes it where that fails. */
async function place(
  file: LocalFile,
  path: string,
  { content, tree, contentOwner }: InitializerContext,
  { spool }: RunServices,
): Promise<void> {
  try {
    await content.place(tree, path, file, contentOwner, FILE_MODE);
  } catch (error) {
    await Deno.remove(join(spool, file.path)).catch(() => {});
    // The request was valid; what is in the workspace prevents it.
    const isConflict = error instanceof DaemonError && error.code === "INVALID_ARGUMENT";
    throw isConflict ? await conflictError(content, tree, path, error) : error;
  }
}
