/** Time limits that end when a test says so, not when a slow machine would have come to it. */

export interface HeldTime extends Disposable {
  /** Ends every limit that was set until now; later ones are the clock's again. */
  end(): void;
}

/** Holds what `AbortSignal.timeout` gives until it is disposed of. */
export function holdTime(): HeldTime {
  const original = AbortSignal.timeout;
  const held: AbortController[] = [];
  const restore = () => AbortSignal.timeout = original;
  AbortSignal.timeout = () => {
    const controller = new AbortController();
    held.push(controller);
    return controller.signal;
  };
  return {
    end() {
      restore();
      const reason = new DOMException("Signal timed out.", "TimeoutError");
      for (const controller of held) controller.abort(reason);
    },
    [Symbol.dispose]: restore,
  };
}
