/**
 * Where submodules are fetched from. Their URLs come from the repository; what the gate does not see
 * git may reach only when every such URL has been looked at.
 */

import { parseConfigList } from "./config_text.ts";
import type { CheckoutFiles } from "./sanitize_config.ts";
import { checkHost, usesEgressProxy } from "./hosts.ts";
import { parseRemote, type Remote } from "./remote.ts";
import type { GitSession } from "./session.ts";

/** What git may do for one submodule. */
export interface SubmoduleAccess {
  /** Where it is fetched from. */
  url: string;
  protocols: string[];
}

/**
 * Registers the submodule at `path` and checks its URL, and all others that are registered: which of
 * them git takes is for it to say. One that is out of bounds is not registered any more.
 * @throws {Error} where it has no URL, or a host is out of bounds
 */
export async function registerSubmodule(
  git: GitSession,
  { gate, protocols }: Pick<CheckoutFiles, "gate" | "protocols">,
  { name, path }: { name: string; path: string },
): Promise<SubmoduleAccess> {
  await git.run(["submodule", "--quiet", "init", "--", path]);
  const urls = await registeredUrls(git);
  const spoken = new Set(protocols.filter(usesEgressProxy));
  for (const [registered, url] of urls) {
    const remote = remoteOf(url, protocols);
    // What is no remote of ours, git refuses by its protocol.
    if (!remote || spoken.has(remote.protocol) && usesEgressProxy(remote.protocol)) continue;
    try {
      await checkHost(gate, remote);
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

/** URLs by their submodules' names. */
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
