/**
 * The request's config, without the logins that its URLs hold: git would show them in the arguments
 * of its helpers, and they would stay in `.git/config`.
 */

import { canonicalName, type ConfigEntry } from "./config_text.ts";
import { parseRemote, type Remote } from "./remote.ts";

const WITH_USERINFO = /^(https?:\/\/)([^/?#]*)@/i;

export interface CustomConfig {
  /** The variables, their URLs without userinfo. */
  config: ConfigEntry[];
  /** Where the logins that were taken out are for. */
  logins: Remote[];
}

/** Takes the logins out of the URLs that name remotes, and passwords out of all others. */
export function extractCredentials(entries: readonly ConfigEntry[]): CustomConfig {
  const logins: Remote[] = [];
  const bare = (url: string, isRemote: boolean): string => {
    const userinfo = WITH_USERINFO.exec(url)?.[2];
    if (userinfo === undefined || !isRemote && !userinfo.includes(":")) return url;
    if (isRemote) logins.push(...remoteAt(url));
    // What is rewritten to is a prefix: it must stay as it is written.
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

/** The remote at a URL; none where git could not use it either. */
function remoteAt(url: string): Remote[] {
  try {
    return [parseRemote(url, ["http", "https"])];
  } catch (error) {
    if (error instanceof TypeError) return [];
    throw error;
  }
}
