/** Parses URLs that a request asks the daemon to GET. */

import { invalid } from "../errors.ts";

/**
 * Returns a URL of http or https.
 * @throws {DaemonError} INVALID_ARGUMENT for the field, never repeating the URL, which may be secret
 */
export function parseDownloadUrl(text: string, field: string): URL {
  if (text === "") throw invalid(field, "must be set to an http or https URL");
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw invalid(field, "must be an http or https URL");
  }
  return url;
}
