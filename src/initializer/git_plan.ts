/** Parses the spec of a Git initializer into a plan. */

import { invalid, messageOf } from "../errors.ts";
import {
  type CheckoutRequest,
  isBranchName,
  isCommitName,
  parseRemote,
  problemOf,
  type Remote,
} from "../git/mod.ts";
import { type Credentials, parseCredentials } from "./credential_resolver.ts";
import type { ParseRules } from "./initializer_kind.ts";
import { parseCheckoutLocation } from "./location.ts";
import type { GitSpec } from "./specs.ts";

/** A checkout to make. */
export interface GitPlan {
  /** What is checked out; without its login, which `credentials` leads to. */
  request: Omit<CheckoutRequest, "login">;
  credentials: Credentials;
  /** Where; relative to the top folder, empty for that folder. */
  location: string;
}

/** How the full name of a branch starts. */
const BRANCHES = /^refs\/heads\//;

/** Returns the plan of a Git initializer. @throws {DaemonError} INVALID_ARGUMENT naming the field */
export function parseGit(spec: GitSpec, path: string, { protocols }: ParseRules): GitPlan {
  const remote = remoteAt(spec.remoteUri, `${path}.remote_uri`, protocols);
  const upstream = spec.upstreamRemoteUri === ""
    ? undefined
    : remoteAt(spec.upstreamRemoteUri, `${path}.upstream_Remote_uri`, protocols);
  const target = parseTarget(spec, `${path}.clone_taget`);
  const location = parseCheckoutLocation(spec.checkoutLocation, `${path}.checkout_location`);
  const credentials = parseCredentials(spec.config, remote, `${path}.config`);
  const config = Object.entries(spec.config.customConfig);
  for (const entry of config) {
    const problem = problemOf(entry);
    if (problem === undefined) continue;
    throw invalid(`${path}.config.custom_config[${JSON.stringify(entry[0])}]`, problem);
  }
  const request = {
    remote,
    ...(upstream ? { upstream } : {}),
    mode: spec.targetMode,
    target,
    full: spec.fullClone,
    config,
  };
  return { request, credentials, location };
}

function remoteAt(uri: string, field: string, protocols: readonly string[]): Remote {
  try {
    return parseRemote(uri, protocols);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw invalid(field, messageOf(error));
  }
}

/** Returns what to check out; a local branch by its short name. */
function parseTarget({ targetMode, cloneTarget }: GitSpec, field: string): string {
  if (targetMode === "REMOTE_HEAD") return cloneTarget;
  if (cloneTarget === "") throw invalid(field, `must be set with target_mode ${targetMode}`);
  if (targetMode === "REMOTE_COMMIT") {
    if (isCommitName(cloneTarget)) return cloneTarget;
    throw invalid(
      field,
      "must be a commit's hash in hexadecimal with target_mode REMOTE_COMMIT; branches, tags and " +
        "other refs are reached with REMOTE_BRANCH",
    );
  }
  const branch = cloneTarget.replace(BRANCHES, "");
  if (!isBranchName(branch)) throw invalid(field, "is not a valid name for a Git branch");
  if (targetMode === "REMOTE_BRANCH") return cloneTarget;
  if (/^refs\/(?!heads\/)/.test(cloneTarget)) {
    throw invalid(field, "names no branch; tags and other refs are reached with REMOTE_BRANCH");
  }
  return branch;
}
