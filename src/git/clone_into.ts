/** A new checkout. */

import { type ConfigEntry, formatConfig } from "./config_text.ts";
import { appendConfig, type CheckoutFiles } from "./sanitize_config.ts";
import type { CheckoutRequest } from "./request.ts";
import { isSafe } from "./safe_config.ts";
import type { GitSession } from "./session.ts";
import { LOCAL_REPO_ENV, updateSubmodules } from "./submodules.ts";
import { fetchUpstream, reachTarget } from "./target.ts";
import { joinPath } from "./tree_path.ts";

/** Makes a repository in the session's directory and fills it. */
export async function cloneInto(
  git: GitSession,
  request: CheckoutRequest,
  files: CheckoutFiles,
): Promise<void> {
  const custom = splitConfig(request.config);
  // As a template, so that neither URLs nor values appear among arguments.
  const template = await files.scratch.folder("template");
  const config = formatConfig([...custom.safe, ...remoteConfig(request)]);
  await files.scratch.write("template/config", config);
  await git.run(["init", "--quiet", `--template=${template}`, "."]);

  const here = git.withEnv(LOCAL_REPO_ENV);
  const shallow = !request.full;
  await reachTarget(here, request, { shallow, fresh: true });
  if (request.upstream) await fetchUpstream(here, shallow);
  await updateSubmodules(here, { ...files, shallow, folders: new Set() });
  await appendConfig(files, joinPath(files.location, ".git/config"), custom.deferred);
}

/** Variables for the time of our own calls, and those that are only written down after them. */
export function splitConfig(
  config: readonly ConfigEntry[],
): { safe: ConfigEntry[]; deferred: ConfigEntry[] } {
  // A second url or fetch of our remotes would be added to the first.
  const now = (entry: ConfigEntry) => isSafe(entry) && !/^remote\./i.test(entry[0]);
  return { safe: config.filter(now), deferred: config.filter((entry) => !now(entry)) };
}

/** All branches can be fetched later, however shallow the start. */
export function remoteConfig({ remote, upstream }: CheckoutRequest): ConfigEntry[] {
  const entries = (name: string, url: string): ConfigEntry[] => [
    [`remote.${name}.url`, url],
    [`remote.${name}.fetch`, `+refs/heads/*:refs/remotes/${name}/*`],
  ];
  return [
    ...entries("origin", remote.url),
    ...(upstream ? entries("upstream", upstream.url) : []),
    ["checkout.defaultRemote", "origin"],
  ];
}
