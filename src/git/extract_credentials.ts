/**
 * Extracts logins from the URLs of the request's config: git would pass them to its helpers as arguments,
 * and they would stay in `.git/config`.
 */

import { canonicalName, type ConfigEntry } from "./config_text.ts";
import { parseRemote, type Remote } from "./remote.ts";

const WITH_USERINFO = /^(https?:\/\/)([^/?#]*)@/i;

/** A request's config, and the logins that were extracted from it. */
export interface CustomConfig {
  /** The variables, their URLs without userinfo. */
  config: ConfigEntry[];
  /** The remotes with the logins that their URLs held. */
  logins: Remote[];
}

/** Extracts logins from URLs that name remotes, and removes passwords from all others. */
export function extractCredentials(entries: readonly ConfigEntry[]): CustomConfig {
  const logins: Remote[] = [];
  const bare = (url: string, isRemote: boolean): string => {
    const userinfo = WITH_USERINFO.exec(url)?.[2];
    if (userinfo === undefined || !isRemote && !userinfo.includes(":")) return url;
    if (isRemote) logins.push(...remoteAt(url));
    // `url.<base>.insteadOf` compares prefixes, so the rest must stay as it is written.
    return url.replace(WITH_USERINFO, "$1");
  };
  const config = entries.map(([name, value]): ConfigEntry => {
    const canonical = canonicalName(name);
    const isRemote = /^(?:remote|submodule)\..*\.(?:push)?url$/s.test(canonical);
    const first = name.indexOf(".") + 1;
    const last = name.lastIndexOf(".");
    const named = last < first
      ? name
      : name.slice(0, first) + bare(name.slice(first, last), canonical.startsWith("url.")) +
        name.slice(last);
    return [named, bare(value, isRemote)];
  });
  return { config, logins };
}

/** Returns the remote at a URL; none where git could not use it either. */
function remoteAt(url: string): Remote[] {
  try {
    return [parseRemote(url, ["http", "https"])];
  } catch (error) {
    if (error instanceof TypeError) return [];
    throw error;
  }
}
