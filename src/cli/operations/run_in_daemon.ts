/** What commands share that begin an operation of the daemon and wait for it. */

import type { Operation } from "../../wire/mod.ts";
import type { Session } from "../client/connect.ts";
import { Failure } from "../failure.ts";
import { printJson, printLine } from "../io.ts";
import { kindName } from "./format.ts";
import { untilSucceeded } from "./until_ended.ts";

/** The flag of those that need not wait, with its description. */
export const DETACH = ["--detach", "print the operation's id and wait for nothing"] as const;

/**
 * Waits for an operation that has begun, unless nobody wants to, and prints it.
 * @param describe returns for people what it came to
 * @returns it as it ended; `undefined` where nobody has waited
 * @throws {Failure} where it has not succeeded
 */
export async function runInDaemon(
  began: Operation | undefined,
  session: Session,
  { detach = false, describe }: {
    detach?: boolean | undefined;
    describe(ended: Operation): string;
  },
): Promise<Operation | undefined> {
  if (!began) throw new Failure("The daemon says nothing of the operation that it has begun");
  const operation = detach ? began : await untilSucceeded(began, session);
  if (session.json) {
    const { operationToJson } = await import("../../client/mod.ts");
    printJson(operationToJson(operation));
  } else {
    const { kind, id } = operation;
    printLine(
      detach ? `${kindName(kind)} ${id} has begun: "wsdaemon ops" shows it` : describe(operation),
    );
  }
  return detach ? undefined : operation;
}
