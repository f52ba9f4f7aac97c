/** Answers in pages: the token of a page is the key of the last item before it. */

import { Buffer } from "node:buffer";
import { invalid } from "../errors.ts";

const DEFAULT_SIZE = 100;
const MAX_SIZE = 1000;

/** The fields of a request for a page. */
export interface PageRequest {
  pageSize: number;
  pageToken: string;
}

/** A page, and the token of the next one; empty where there is none. */
export interface Page<T> {
  items: T[];
  nextPageToken: string;
}

/**
 * Returns a page of items.
 * @param items in ascending order of their keys
 * @param keyOf an item's key; keys are different
 * @throws {DaemonError} INVALID_ARGUMENT for a size or a token that cannot be
 */
export function pageOf<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  request: PageRequest,
): Page<T> {
  const { size, after } = parsePage(request);
  const rest = after === "" ? items : items.filter((item) => keyOf(item) > after);
  const page = rest.slice(0, size);
  const isLast = page.length === rest.length;
  return { items: page, nextPageToken: isLast ? "" : tokenOf(keyOf(page.at(-1)!)) };
}

/**
 * Returns the size of a page that was asked for, and the key that it comes after; empty for the first.
 * @throws {DaemonError} INVALID_ARGUMENT
 */
export function parsePage({ pageSize, pageToken }: PageRequest): { size: number; after: string } {
  if (pageSize < 0) throw invalid("page_size", `must not be negative: it is ${pageSize}`);
  const after = Buffer.from(pageToken, "base64url").toString("utf8");
  if (tokenOf(after) !== pageToken) {
    throw invalid("page_token", "must be the next_page_token of the answer before");
  }
  return { size: Math.min(pageSize || DEFAULT_SIZE, MAX_SIZE), after };
}

/** Returns the token of the page after an item. */
export function tokenOf(key: string): string {
  return Buffer.from(key, "utf8").toString("base64url");
}
