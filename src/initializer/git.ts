/** The Git initializer. `git_plan.ts` parses it; the prebuild initializer runs the other ways of checking out. */

import type { Tree } from "../content/mod.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { type CheckoutRequest, isRemoteFailure } from "../git/mod.ts";
import { logger } from "../log/mod.ts";
import { type GitPlan, parseGit } from "./git_plan.ts";
import type { InitializerContext, InitializerKind, RunServices } from "./initializer_kind.ts";
import { withinLimit } from "./limit.ts";
import { currentOperation, inStep } from "../operations/mod.ts";
import type { GitSpec } from "./specs.ts";

export type { GitPlan };

const log = logger("initializer");

/** The Git initializer. */
export const git: InitializerKind<GitSpec, GitPlan> = {
  fills: "a part",
  parse: parseGit,
  run: cloneCheckout,
  checkout: ({ location }) => ({ location, isMade: true }),
};

/** Clones into a folder that is empty or not there. @throws {DaemonError} as {@link checkOut} does */
export async function cloneCheckout(
  plan: GitPlan,
  context: InitializerContext,
  services: RunServices,
): Promise<void> {
  const { tree, contentOwner: owner } = context;
  await checkOut(plan, context, services, (request, signal) => {
    currentOperation()?.enter("cloning");
    return services.git.clone(request, {
      tree,
      location: plan.location,
      owner,
      signal,
      ...warningsTo(context),
    });
  });
}

/**
 * Brings a restored checkout to its target; clones it anew, keeping local work, where that fails for
 * another reason than the remote's.
 * @throws {DaemonError} as {@link checkOut} does
 */
export async function updateCheckout(
  plan: GitPlan,
  context: InitializerContext,
  services: RunServices,
): Promise<void> {
  const { git } = services;
  const { location } = plan;
  const others: Tree[] = [];
  await checkOut(plan, context, services, async (request, signal) => {
    const place = { tree: context.tree, location, signal, ...warningsTo(context) };
    try {
      currentOperation()?.enter("updating");
      await git.update(request, place);
    } catch (error) {
      signal.throwIfAborted();
      if (isRemoteFailure(error) || isExhausted(error)) throw error;
      const warning = `Cloning ${request.remote.url} anew, as the prebuild's checkout at ` +
        `${JSON.stringify(location)} cannot be updated: ${messageOf(error)}`;
      log.warn("{warning}", { warning });
      context.onWarning?.(warning);
      currentOperation()?.enter("cloning anew");
      await git.replace(request, place, (fresh) => others.push(fresh));
      services.metrics.replaced(error);
    }
  }, others);
}

/**
 * Clones among restored files that belong to no repository, keeping them.
 * @throws {DaemonError} as {@link checkOut} does
 */
export async function cloneAmongFiles(
  plan: GitPlan,
  context: InitializerContext,
  services: RunServices,
): Promise<void> {
  const { tree } = context;
  const others: Tree[] = [];
  await checkOut(plan, context, services, (request, signal) => {
    const place = { tree, location: plan.location, signal, ...warningsTo(context) };
    currentOperation()?.enter("cloning among files");
    return services.git.replace(request, place, (fresh) => others.push(fresh));
  }, others);
}

/** Returns whether the node lacks space, so that a fresh clone, which needs more, would fail too. */
function isExhausted(error: unknown): boolean {
  return error instanceof DaemonError && error.code === "RESOURCE_EXHAUSTED";
}

function warningsTo({ onWarning }: InitializerContext): Pick<InitializerContext, "onWarning"> {
  return onWarning ? { onWarning } : {};
}

/**
 * Runs one way of checking out with the plan's login, within the workspace's quota.
 * @param others staging trees that count towards the quota, too, while they are there
 * @throws {DaemonError} FAILED_PRECONDITION naming the remote, RESOURCE_EXHAUSTED; or the signal's reason
 */
async function checkOut(
  plan: GitPlan,
  context: InitializerContext,
  services: RunServices,
  work: (request: CheckoutRequest, signal: AbortSignal) => Promise<void>,
  others: readonly Tree[] = [],
): Promise<void> {
  const { request, credentials, location } = plan;
  try {
    const login = await services.credentials.resolve(credentials, context.signal);
    const withLogin: CheckoutRequest = login ? { ...request, login } : request;
    await inStep(
      { kind: "git" },
      () => withinLimit(context, services, (signal) => work(withLogin, signal), others),
    );
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof DaemonError)) throw error;
    const where = location === "" ? "" : ` at ${JSON.stringify(location)}`;
    throw error.withContext(`Cannot check out ${request.remote.url}${where}`);
  }
}
