/**
 * Handles signals: SIGTERM and SIGINT stop the daemon, a second one stops it at once; SIGHUP has it read
 * its certificates and its config file again.
 */

/**
 * Milliseconds in which a further signal counts as the first one: on Ctrl-C both the terminal and a
 * `deno task` that runs wsdaemon send one.
 */
const SAME_SIGNAL = 500;

/** The handlers of signals. */
export interface SignalHandlers {
  /** Called on the first SIGTERM or SIGINT. */
  stop(signal: Deno.Signal): void;
  /** Called on each further one. */
  abort(signal: Deno.Signal): void;
  /** Called on SIGHUP. */
  reload(): void;
}

/**
 * Calls the handlers until it is disposed of.
 * @param now returns a time in milliseconds, of which only differences count
 */
export function onSignals(
  { stop, abort, reload }: SignalHandlers,
  now: () => number = () => performance.now(),
): Disposable {
  let askedAt: number | undefined;
  const ending = (["SIGTERM", "SIGINT"] as const).map((signal) =>
    listen(signal, () => {
      const at = now();
      if (askedAt === undefined) {
        askedAt = at;
        stop(signal);
      } else if (at - askedAt >= SAME_SIGNAL) {
        abort(signal);
      }
    })
  );
  const hangup = listen("SIGHUP", reload);
  return {
    [Symbol.dispose]() {
      for (const listener of [...ending, hangup]) listener[Symbol.dispose]();
    },
  };
}

function listen(signal: Deno.Signal, handler: () => void): Disposable {
  Deno.addSignalListener(signal, handler);
  return { [Symbol.dispose]: () => Deno.removeSignalListener(signal, handler) };
}
