/** What becomes of a bug that no operation caught: it is told, counted, and survived. */

import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";
import { handleUncaught, type Uncaught } from "../uncaught.ts";

const log = logger("daemon");

/**
 * Keeps this thread serving whatever is thrown in it. Each bug is logged at ERROR with an id, which
 * the operation that it happened in, where that is known, gives to its caller.
 * @returns what reports those of other threads
 */
export function reportUncaught(metrics: Metrics): (uncaught: Uncaught) => void {
  const total = metrics.counter(
    "wsdaemon_uncaught_exceptions_total",
    "Exceptions and rejections that nothing caught: bugs",
    ["kind"],
  );
  total.inc({ kind: "exception" }, 0);
  total.inc({ kind: "rejection" }, 0);
  const report = ({ kind, error, fail }: Uncaught) => {
    const bug = crypto.randomUUID();
    total.inc({ kind });
    log.error("Bug {bug}, to be reported with this: nothing caught the {kind} {error}", {
      bug,
      kind,
      error,
    });
    fail?.(
      new DaemonError("INTERNAL", `a bug, ${bug} in wsdaemon's log: ${messageOf(error)}`, {
        cause: error,
      }),
    );
  };
  handleUncaught(report);
  return report;
}
