import type { Config } from "../config/mod.ts";

/**
 * Returns why the process with user id `self` cannot give content to `contentOwner`; `undefined` where it
 * can. Only root gives files away.
 */
export function ownerProblem({ uid }: Config["contentOwner"], self: number): string | undefined {
  if (self === 0 || uid === self) return undefined;
  return `Cannot give content to contentOwner.uid ${uid} as the user ${self}: run wsdaemon as ` +
    "root, or leave contentOwner out";
}
