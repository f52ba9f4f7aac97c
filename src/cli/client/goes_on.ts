/** Says what the daemon goes on with when somebody does not want to wait any longer. */

import type { OperationsClient } from "../../client/mod.ts";
import { type Operation, OperationState } from "../../wire/mod.ts";
import { kindName } from "../operations/format.ts";

/** Milliseconds that finding out what goes on may take. */
const LOOK_TIME = 2_000;

/** What a session waited for. */
interface Awaited {
  operations: OperationsClient;
  workspaceId?: string;
  operationId?: string;
}

/**
 * Returns, as the end of a sentence, what the daemon goes on with of what the session waited for, and
 * how to see and cancel it; empty where that is nothing or cannot be found out.
 */
export async function goesOn(awaited: Awaited): Promise<string> {
  try {
    const running = await runningOf(awaited);
    if (running.length === 0) return "";
    const names = running.map(({ id, kind }) => `${kindName(kind)} ${id}`);
    const of = awaited.workspaceId === undefined ? "" : ` of ${awaited.workspaceId}`;
    return `; the daemon goes on with ${names.join(", ")}${of}: ` +
      '"wsdaemon ops" shows it, "wsdaemon cancel" ends it';
  } catch {
    return "";
  }
}

async function runningOf({ operations, workspaceId, operationId }: Awaited): Promise<Operation[]> {
  const options = { deadline: LOOK_TIME };
  if (operationId !== undefined) {
    const { operation } = await operations.call("getOperation", { id: operationId }, options);
    return operation?.state === OperationState.RUNNING ? [operation] : [];
  }
  if (workspaceId === undefined) return [];
  const request = { workspaceId, runningOnly: true, rootsOnly: true };
  return (await operations.call("listOperations", request, options)).operations;
}
