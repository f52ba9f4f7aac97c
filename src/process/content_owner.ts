import type { Config } from "../config/mod.ts";

/** Why it cannot; `undefined` where it can. Only root gives files away. */
export function ownerProblem({ uid }: Config["contentOwner"], self: number): string | undefined {
  if (self === 0 || uid === self) return undefined;
  return `Cannot give content to contentOwner.uid ${uid} as the user ${self}: run wsdaemon as ` +
    "root, or leave contentOwner out";
}
