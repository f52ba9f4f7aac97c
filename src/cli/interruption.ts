/** What interrupts a command, and how it ends then. */

import { DaemonError } from "../errors.ts";
import { EXIT, Failure } from "./failure.ts";

/** Why a command was interrupted. */
class Interruption extends DaemonError {
  readonly signal: "SIGINT" | "SIGTERM";

  constructor(signal: "SIGINT" | "SIGTERM") {
    super("CANCELLED", `Interrupted by ${signal}`);
    this.signal = signal;
  }
}

/** Returns a signal that the first SIGINT or SIGTERM aborts; a second one ends the process. */
export function interruption(stack: AsyncDisposableStack): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const listener = () => {
      Deno.removeSignalListener(signal, listener);
      controller.abort(new Interruption(signal));
    };
    Deno.addSignalListener(signal, listener);
    stack.defer(() => Deno.removeSignalListener(signal, listener));
  }
  return controller.signal;
}

/**
 * Returns what an interrupted command reports, whatever the interruption made fail.
 * @param interrupted the signal of {@link interruption}, aborted
 * @param message names the signal unless given
 */
export function interruptedFailure({ reason }: AbortSignal, message?: string): Failure {
  const { code, message: otherwise, signal } = reason as Interruption;
  const exitCode = signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated;
  return new Failure(message ?? otherwise, { code, exitCode });
}
