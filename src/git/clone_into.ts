/** Makes a new checkout. */

import { type ConfigEntry, formatConfig } from "./config_text.ts";
import { appendConfig, type CheckoutFiles } from "./sanitize_config.ts";
import type { CheckoutRequest } from "./checkout_request.ts";
import { isAllowedInRequest } from "./safe_config.ts";
import type { GitSession } from "./git_session.ts";
import { LOCAL_REPO_ENV } from "./git_environment.ts";
import { updateSubmodules } from "./update_submodules.ts";
import { fetchUpstream, reachTarget } from "./reach_target.ts";
import { joinPath } from "./tree_path.ts";

/** Makes a repository in the session's directory and checks the target out. @throws {DaemonError} FAILED_PRECONDITION */
export async function cloneInto(
  git: GitSession,
  request: CheckoutRequest,
  files: CheckoutFiles,
): Promise<void> {
  const custom = splitConfig(request.config);
  // The config is a template, so that neither URLs nor values are arguments, which others can see.
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

/** Splits config into what is set while git works, and what is only written once it is done. */
export function splitConfig(
  config: readonly ConfigEntry[],
): { safe: ConfigEntry[]; deferred: ConfigEntry[] } {
  // A second url or fetch of a remote would be added to the first.
  const now = (entry: ConfigEntry) => isAllowedInRequest(entry) && !/^remote\./i.test(entry[0]);
  return { safe: config.filter(now), deferred: config.filter((entry) => !now(entry)) };
}

/** Returns the config of the remotes. All branches can be fetched later, even from a shallow clone. */
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
