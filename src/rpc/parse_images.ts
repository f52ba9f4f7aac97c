/** Parses requests about the store's images into the daemon's own terms; refuses malformed ones. */

import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import { invalid } from "../errors.ts";
import { DEFAULT_GRACE_MS } from "../store/mod.ts";
import { parseName } from "./parse.ts";

const MAX_URLS = 1000;

/** Returns which images are listed. @throws {DaemonError} INVALID_ARGUMENT */
export function parseImageFilter(
  { owner, metaId }: { owner: string; metaId: string },
): { owner?: string; metaId?: string } {
  if (owner === "" && metaId !== "") throw invalid("owner", "must be set where meta_id is");
  return {
    ...(owner === "" ? {} : { owner: parseName(owner, "owner") }),
    ...(metaId === "" ? {} : { metaId: parseName(metaId, "meta_id") }),
  };
}

/**
 * Returns which images are forgotten: those of urls, or of an identity.
 * @throws {DaemonError} INVALID_ARGUMENT
 */
export function parseDeleteImages(
  { urls, owner, metaId }: { urls: string[]; owner: string; metaId: string },
): { urls: string[] } | { owner: string; metaId: string } {
  if (urls.length === 0) {
    return { owner: parseName(owner, "owner"), metaId: parseName(metaId, "meta_id") };
  }
  if (owner !== "" || metaId !== "") {
    throw invalid("urls", "must be empty where owner and meta_id are set");
  }
  return { urls: parseUrls(urls) };
}

/** Returns urls, whose form is checked where they are used. @throws {DaemonError} INVALID_ARGUMENT */
export function parseUrls(urls: string[]): string[] {
  if (urls.length <= MAX_URLS) return urls;
  throw invalid("urls", `must be at most ${MAX_URLS}: there are ${urls.length}`);
}

/** Returns the grace of a collection in milliseconds. @throws {DaemonError} INVALID_ARGUMENT */
export function parseGrace(grace: Duration | undefined): number {
  if (!grace) return DEFAULT_GRACE_MS;
  const milliseconds = durationMs(grace);
  if (milliseconds < 0) throw invalid("grace", "must not be negative");
  return milliseconds;
}
