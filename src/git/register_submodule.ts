/**
 * Decides where submodules may be fetched from. Their URLs come from the repository; a connection that
 * does not go through the egress proxy is allowed only once every such URL has been checked.
 */

import { parseConfigList } from "./config_text.ts";
import type { CheckoutFiles } from "./sanitize_config.ts";
import { checkHost, usesEgressProxy } from "./check_host.ts";
import { parseRemote, type Remote } from "./remote.ts";
import type { GitSession } from "./git_session.ts";

/** The remote and the protocols that git may use for one submodule. */
export interface SubmoduleAccess {
  /** The URL that it is fetched from. */
  url: string;
  protocols: string[];
}

/**
 * Registers the submodule at `path` and checks its URL and those of all others that are registered,
 * because git decides which of them it uses. A submodule whose host is forbidden is unregistered.
 * @throws {Error} where it has no URL, or a host is forbidden
 */
export async function registerSubmodule(
  git: GitSession,
  { egressProxy, protocols }: Pick<CheckoutFiles, "egressProxy" | "protocols">,
  { name, path }: { name: string; path: string },
): Promise<SubmoduleAccess> {
  await git.run(["submodule", "--quiet", "init", "--", path]);
  const urls = await registeredUrls(git);
  const spoken = new Set(protocols.filter(usesEgressProxy));
  for (const [registered, url] of urls) {
    const remote = remoteOf(url, protocols);
    // Git refuses what is no allowed remote by its protocol.
    if (!remote || spoken.has(remote.protocol) && usesEgressProxy(remote.protocol)) continue;
    try {
      await checkHost(egressProxy, remote);
    } catch (error) {
      await git.run(["config", "--remove-section", `submodule.${registered}`]);
      throw error;
    }
    spoken.add(remote.protocol);
  }
  const url = urls.get(name);
  if (url === undefined) throw new Error("it has no URL");
  return { url, protocols: [...spoken] };
}

/** Returns the URLs of registered submodules by name. */
async function registeredUrls(git: GitSession): Promise<Map<string, string>> {
  const { stdout } = await git.run(
    ["config", "--local", "--no-includes", "--null", "--get-regexp", "^submodule\\..*\\.url$"],
    { answers: [1] },
  );
  const nameOf = (key: string) => key.slice("submodule.".length, -".url".length);
  return new Map(parseConfigList(stdout).map(([key, url]) => [nameOf(key), url]));
}

function remoteOf(url: string, protocols: readonly string[]): Remote | undefined {
  try {
    return parseRemote(url, protocols);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
