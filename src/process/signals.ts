/** SIGTERM and SIGINT: once to stop, a second time to stop at once. SIGHUP: other certificates. */

/**
 * Milliseconds in which a further signal is the first one again: on Ctrl-C the terminal signals us,
 * and so does the `deno task` that we may run under.
 */
const SAME_SIGNAL = 500;

/** What signals do. */
export interface SignalHandlers {
  /** Called on the first SIGTERM or SIGINT. */
  stop(signal: Deno.Signal): void;
  /** Called on each further one. */
  abort(signal: Deno.Signal): void;
  /** Called on SIGHUP. */
  reload(): void;
}

/**
 * Listens until disposed of. `now` is in milliseconds, from anywhere.
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
