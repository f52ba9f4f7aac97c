/** The Git initializer. */

import { DaemonError, invalid, messageOf } from "../errors.ts";
import type { Tree } from "../content/mod.ts";
import {
  type CheckoutRequest,
  isBranchName,
  isCommitName,
  isRemoteFailure,
  parseRemote,
  problemOf,
  type Remote,
} from "../git/mod.ts";
import { logger } from "../log/mod.ts";
import type { GitSpec, InitializerContext } from "./initializer.ts";
import { withinLimit } from "./limit.ts";
import { parseCheckoutLocation } from "./location.ts";
import { checkLogin } from "./credential_resolver.ts";
import type { RunServices, Services } from "./services.ts";

/** How the full name of a branch starts. */
const BRANCHES = /^refs\/heads\//;
const log = logger("initializer");

/** @throws {DaemonError} INVALID_ARGUMENT */
export function validateGit(spec: GitSpec, path: string, { git }: Pick<Services, "git">): void {
  const remote = remoteAt(spec.remoteUri, `${path}.remote_uri`, git.protocols);
  if (spec.upstreamRemoteUri !== "") {
    remoteAt(spec.upstreamRemoteUri, `${path}.upstream_Remote_uri`, git.protocols);
  }
  checkTarget(spec, `${path}.clone_taget`);
  parseCheckoutLocation(spec.checkoutLocation, `${path}.checkout_location`);
  checkLogin(spec.config, remote, `${path}.config`);
  for (const entry of Object.entries(spec.config.customConfig)) {
    const problem = problemOf(entry);
    if (problem !== undefined) {
      throw invalid(`${path}.config.custom_config[${JSON.stringify(entry[0])}]`, problem);
    }
  }
}

/** Clones, as the spec says. @throws {DaemonError} FAILED_PRECONDITION, RESOURCE_EXHAUSTED */
export async function runGit(
  spec: GitSpec,
  context: InitializerContext,
  services: RunServices,
): Promise<void> {
  await onCheckout(
    spec,
    context,
    services,
    (request, location, signal) =>
      services.git.clone(request, {
        tree: context.tree,
        location,
        owner: context.contentOwner,
        signal,
        ...warningsTo(context),
      }),
  );
}

/**
 * Brings a restored checkout to its target; clones it anew, keeping local work, where that fails for
 * another reason than the remote's.
 */
export async function updateGit(
  spec: GitSpec,
  context: InitializerContext,
  services: RunServices,
): Promise<void> {
  const { git } = services;
  const { tree } = context;
  const others: Tree[] = [];
  await onCheckout(spec, context, services, async (request, location, signal) => {
    const place = { tree, location, signal, ...warningsTo(context) };
    try {
      await git.update(request, place);
    } catch (error) {
      signal.throwIfAborted();
      if (isRemoteFailure(error) || isExhausted(error)) throw error;
      const warning = `Cloning ${request.remote.url} anew, as the prebuild's checkout at ` +
        `${JSON.stringify(location)} cannot be updated: ${messageOf(error)}`;
      log.warn("{warning}", { warning });
      context.onWarning?.(warning);
      await git.replace(request, place, (fresh) => others.push(fresh));
      services.metrics.replaced(error);
    }
  }, others);
}

/** Clones among restored files that belong to no repository, keeping them. */
export async function replaceGit(
  spec: GitSpec,
  context: InitializerContext,
  services: RunServices,
): Promise<void> {
  const { tree } = context;
  const others: Tree[] = [];
  await onCheckout(
    spec,
    context,
    services,
    (request, location, signal) =>
      services.git.replace(
        request,
        { tree, location, signal, ...warningsTo(context) },
        (fresh) => others.push(fresh),
      ),
    others,
  );
}

/** Whether a fresh clone, which needs more room, would fare no better. */
function isExhausted(error: unknown): boolean {
  return error instanceof DaemonError && error.code === "RESOURCE_EXHAUSTED";
}

function warningsTo({ onWarning }: InitializerContext): Pick<InitializerContext, "onWarning"> {
  return onWarning ? { onWarning } : {};
}

async function onCheckout(
  spec: GitSpec,
  context: InitializerContext,
  services: RunServices,
  work: (request: CheckoutRequest, location: string, signal: AbortSignal) => Promise<void>,
  others: readonly Tree[] = [],
): Promise<void> {
  const { protocols } = services.git;
  const remote = remoteAt(spec.remoteUri, "remote_uri", protocols);
  const upstream = spec.upstreamRemoteUri === ""
    ? undefined
    : remoteAt(spec.upstreamRemoteUri, "upstream_Remote_uri", protocols);
  const location = parseCheckoutLocation(spec.checkoutLocation, "checkout_location");
  try {
    const login = await services.logins.resolve(spec.config, context.signal);
    const request: CheckoutRequest = {
      remote,
      ...(upstream ? { upstream } : {}),
      mode: spec.targetMode,
      target: targetOf(spec),
      full: spec.fullClone,
      config: Object.entries(spec.config.customConfig),
      ...(login ? { login } : {}),
    };
    await withinLimit(context, services, (signal) => work(request, location, signal), others);
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof DaemonError)) throw error;
    throw error.withContext(`Cannot check out ${remote.url}${at(location)}`);
  }
}

function at(location: string): string {
  return location === "" ? "" : ` at ${JSON.stringify(location)}`;
}

function remoteAt(uri: string, field: string, protocols: readonly string[]): Remote {
  try {
    return parseRemote(uri, protocols);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw invalid(field, messageOf(error));
  }
}

function checkTarget({ targetMode, cloneTarget }: GitSpec, field: string): void {
  if (targetMode === "REMOTE_HEAD") return;
  if (cloneTarget === "") throw invalid(field, `must be set with target_mode ${targetMode}`);
  if (targetMode === "REMOTE_COMMIT") {
    if (isCommitName(cloneTarget)) return;
    throw invalid(
      field,
      "must be a commit's hash in hexadecimal with target_mode REMOTE_COMMIT; branches, tags and " +
        "other refs are reached with REMOTE_BRANCH",
    );
  }
  if (!isBranchName(cloneTarget.replace(BRANCHES, ""))) {
    throw invalid(field, "is not a valid name for a Git branch");
  }
  if (targetMode === "LOCAL_BRANCH" && /^refs\/(?!heads\/)/.test(cloneTarget)) {
    throw invalid(field, "names no branch; tags and other refs are reached with REMOTE_BRANCH");
  }
}

/** Returns the clone target; a local branch by its short name. */
function targetOf({ targetMode, cloneTarget }: GitSpec): string {
  return targetMode === "LOCAL_BRANCH" ? cloneTarget.replace(BRANCHES, "") : cloneTarget;
}
