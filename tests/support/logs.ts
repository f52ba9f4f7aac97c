/** Logs of this thread, for tests that look at them. */

import { configureSync, getTextFormatter, resetSync } from "@logtape/logtape";

export interface CapturedLogs extends Disposable {
  /** Every line so far, of every level. */
  readonly text: string;
}

/** Captures what is logged until it is disposed of. */
export function captureLogs(): CapturedLogs {
  let text = "";
  const format = getTextFormatter();
  configureSync({
    reset: true,
    sinks: { text: (record) => void (text += format(record)) },
    loggers: [
      { category: "wsdaemon", sinks: ["text"], lowestLevel: "trace" },
      { category: ["logtape", "meta"], sinks: ["text"], lowestLevel: "error" },
    ],
  });
  return {
    get text() {
      return text;
    },
    [Symbol.dispose]: resetSync,
  };
}
