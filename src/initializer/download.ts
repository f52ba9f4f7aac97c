/** The download initializer: files fetched from URLs, each checked against its digest. */

import { join } from "@std/path";
import { DIRECTORY_BYTES, fileBytes, largestFile } from "../content/mod.ts";
import { parseDigest } from "../digest.ts";
import { DaemonError, invalid } from "../errors.ts";
import { HttpClient } from "../outbound/mod.ts";
import type { DownloadSpec, InitializerContext } from "./initializer.ts";
import { fetchFile } from "./fetch_file.ts";
import { bytesLeft } from "./limit.ts";
import { joinLocations, parseLocation } from "./location.ts";
import { conflictError } from "./conflict.ts";
import type { Services } from "./services.ts";
import { parseDownloadUrl } from "./urls.ts";

const FILE_MODE = 0o644;

/** @throws {DaemonError} INVALID_ARGUMENT */
export function validateDownload(spec: DownloadSpec, path: string): void {
  parseLocation(spec.targetLocation, `${path}.target_location`);
  if (spec.files.length === 0) throw invalid(`${path}.files`, "must name at least one file");
  const places = new PathConflictChecker();
  for (const [index, file] of spec.files.entries()) {
    const at = `${path}.files[${index}]`;
    parseDownloadUrl(file.url, `${at}.url`);
    const place = parseLocation(file.filePath, `${at}.file_path`);
    if (place === "") throw invalid(`${at}.file_path`, "must name a file");
    places.take(place, `${at}.file_path`);
    if (!parseDigest(file.digest)) {
      throw invalid(`${at}.digest`, "must be sha256:<64 hex digits> or sha512:<128 hex digits>");
    }
  }
}

/** The paths of one download's files, none of which can be another's folder. */
class PathConflictChecker {
  readonly #files = new Map<string, string>();
  readonly #folders = new Map<string, string>();

  /** @throws {DaemonError} INVALID_ARGUMENT for the field, naming the one that it conflicts with */
  take(place: string, field: string): void {
    const same = this.#files.get(place);
    if (same !== undefined) throw invalid(field, `is the same as ${same}`);
    const within = this.#folders.get(place);
    if (within !== undefined) throw invalid(field, `is a folder of ${within}`);
    this.#files.set(place, field);
    for (let at = place.indexOf("/"); at >= 0; at = place.indexOf("/", at + 1)) {
      const folder = place.slice(0, at);
      const file = this.#files.get(folder);
      if (file !== undefined) throw invalid(field, `leads through ${file}, which is a file`);
      this.#folders.set(folder, field);
    }
  }
}

/** What of the quota is left for the files of one download and the folders that they need. */
class Allowance {
  #left: number;
  readonly #folders = new Set<string>();

  /** @param left bytes on disk; absent for no limit */
  constructor(left: number | undefined) {
    this.#left = left ?? Infinity;
  }

  /**
   * Counts the folders on the way to a file, where earlier files have not.
   * @returns the most bytes that it may have; `undefined` for no limit
   * @throws {DaemonError} RESOURCE_EXHAUSTED where not even an empty file fits
   */
  forFile(place: string): number | undefined {
    for (let at = place.indexOf("/"); at >= 0; at = place.indexOf("/", at + 1)) {
      const folder = place.slice(0, at);
      if (!this.#folders.has(folder)) this.#left -= DIRECTORY_BYTES;
      this.#folders.add(folder);
    }
    if (this.#left === Infinity) return undefined;
    const largest = largestFile(this.#left);
    if (largest >= 0) return largest;
    throw new DaemonError(
      "RESOURCE_EXHAUSTED",
      "the workspace's quota has no room left for a further file and its folders",
    );
  }

  took(size: number): void {
    this.#left -= fileBytes(size);
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
  const allowance = new Allowance(await bytesLeft(context));
  using client = new HttpClient(services.gate);
  for (const { url, filePath, digest } of spec.files) {
    const place = joinLocations(target, parseLocation(filePath, "file_path"));
    try {
      const limitBytes = allowance.forFile(place);
      const file = await fetchFile(url, parseDigest(digest)!, {
        ...services,
        stallTimeout: services.tuning.stallTimeout,
        client,
        signal: context.signal,
        ...(limitBytes === undefined ? {} : { limitBytes }),
      });
      allowance.took(file.size);
      try {
        await images.content.place(tree, place, file, contentOwner, FILE_MODE);
      } catch (error) {
        await Deno.remove(join(services.spool, file.path)).catch(() => {});
        // The request was valid: it is the content that does not let it.
        const blocked = error instanceof DaemonError && error.code === "INVALID_ARGUMENT";
        throw blocked ? await conflictError(images.content, tree, place, error) : error;
      }
    } catch (error) {
      context.signal.throwIfAborted();
      if (!(error instanceof DaemonError)) throw error;
      throw error.withContext(`Cannot download ${JSON.stringify(place)}`);
    }
  }
}
