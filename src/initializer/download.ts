/** The download initializer: files fetched from URLs, each checked against its digest. */

import { join } from "@std/path";
import { parseDigest } from "../digest.ts";
import { DaemonError, invalid } from "../errors.ts";
import { HttpClient } from "../outbound/http.ts";
import type { DownloadSpec, InitializerContext } from "./api.ts";
import { fetchFile } from "./fetch_file.ts";
import { bytesLeft } from "./limit.ts";
import { joinLocations, parseLocation } from "./location.ts";
import type { Services } from "./services.ts";
import { parseDownloadUrl } from "./urls.ts";

const FILE_MODE = 0o644;

/** @throws {DaemonError} INVALID_ARGUMENT */
export function validateDownload(spec: DownloadSpec, path: string): void {
  parseLocation(spec.targetLocation, `${path}.target_location`);
  if (spec.files.length === 0) throw invalid(`${path}.files`, "must name at least one file");
  const seen = new Map<string, string>();
  for (const [index, file] of spec.files.entries()) {
    const at = `${path}.files[${index}]`;
    parseDownloadUrl(file.url, `${at}.url`);
    const place = parseLocation(file.filePath, `${at}.file_path`);
    if (place === "") throw invalid(`${at}.file_path`, "must name a file");
    const earlier = seen.get(place);
    if (earlier !== undefined) throw invalid(`${at}.file_path`, `is the same as ${earlier}`);
    seen.set(place, `${at}.file_path`);
    if (!parseDigest(file.digest)) {
      throw invalid(`${at}.digest`, "must be sha256:<64 hex digits> or sha512:<128 hex digits>");
    }
  }
}

/** Fetches the files. @throws {DaemonError} FAILED_PRECONDITION, RESOURCE_EXHAUSTED */
export async function runDownload(
  spec: DownloadSpec,
  context: InitializerContext,
  services: Services,
): Promise<void> {
  const { images, tree, contentOwner } = context;
  const target = parseLocation(spec.targetLocation, "target_location");
  const limit = await bytesLeft(context);
  let used = 0;
  using client = new HttpClient(services.gate);
  for (const { url, filePath, digest } of spec.files) {
    const place = joinLocations(target, parseLocation(filePath, "file_path"));
    try {
      const file = await fetchFile(url, parseDigest(digest)!, {
        ...services,
        stallTimeout: services.tuning.stallTimeout,
        client,
        signal: context.signal,
        ...(limit === undefined ? {} : { limitBytes: limit - used }),
      });
      used += file.size;
      try {
        await images.content.place(tree, place, file, contentOwner, FILE_MODE);
      } catch (error) {
        await Deno.remove(join(services.spool, file.path)).catch(() => {});
        throw error;
      }
    } catch (error) {
      context.signal.throwIfAborted();
      if (!(error instanceof DaemonError)) throw error;
      throw error.within(`Cannot download ${JSON.stringify(place)}`);
    }
  }
}
