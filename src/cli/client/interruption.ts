/** What happens when somebody does not want to wait any longer: the daemon goes on. */

import type { WorkspaceClient } from "../../client/mod.ts";
import { OperationKind } from "../../wire/mod.ts";

/** Why a session was interrupted. */
export interface Interruption {
  readonly signal: "SIGINT" | "SIGTERM";
}

/** Milliseconds that finding out what goes on may take. */
const LOOK_TIME = 2_000;

/** Returns a signal that the first SIGINT or SIGTERM aborts; a second one ends the process. */
export function interruption(stack: AsyncDisposableStack): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const listener = () => {
      Deno.removeSignalListener(signal, listener);
      controller.abort({ signal } satisfies Interruption);
    };
    Deno.addSignalListener(signal, listener);
    stack.defer(() => Deno.removeSignalListener(signal, listener));
  }
  return controller.signal;
}

/**
 * Returns, as the end of a sentence, what the daemon goes on with for the session's workspace, and how
 * to see and cancel it; empty where that is nothing or cannot be found out.
 */
export async function goesOn(
  { client, workspaceId }: { client: WorkspaceClient; workspaceId?: string },
): Promise<string> {
  if (workspaceId === undefined) return "";
  try {
    const request = { workspaceId, runningOnly: true, rootsOnly: true };
    const { operations } = await client.operations.call("listOperations", request, {
      deadline: LOOK_TIME,
    });
    if (operations.length === 0) return "";
    const names = operations.map(({ id, kind }) => `${OperationKind[kind].toLowerCase()} ${id}`);
    return `; the daemon goes on with ${names.join(", ")} of ${workspaceId}: ` +
      '"wsdaemon ops" shows it, "wsdaemon cancel" ends it';
  } catch {
    return "";
  }
}
