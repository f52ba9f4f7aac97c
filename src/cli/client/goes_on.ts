/** Says what the daemon goes on with when somebody does not want to wait any longer. */

import type { OperationsClient } from "../../client/mod.ts";
import { kindName } from "../operations/format.ts";

/** Milliseconds that finding out what goes on may take. */
const LOOK_TIME = 2_000;

/**
 * Returns, as the end of a sentence, what the daemon goes on with for the session's workspace, and how
 * to see and cancel it; empty where that is nothing or cannot be found out.
 */
export async function goesOn(
  { operations: client, workspaceId }: { operations: OperationsClient; workspaceId?: string },
): Promise<string> {
  if (workspaceId === undefined) return "";
  try {
    const request = { workspaceId, runningOnly: true, rootsOnly: true };
    const { operations } = await client.call("listOperations", request, {
      deadline: LOOK_TIME,
    });
    if (operations.length === 0) return "";
    const names = operations.map(({ id, kind }) => `${kindName(kind)} ${id}`);
    return `; the daemon goes on with ${names.join(", ")} of ${workspaceId}: ` +
      '"wsdaemon ops" shows it, "wsdaemon cancel" ends it';
  } catch {
    return "";
  }
}
