/** Reports bugs that no operation caught: each is logged and counted, and the daemon goes on. */

import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { handleUncaught, type Uncaught } from "../uncaught.ts";
import type { DaemonMetrics } from "./daemon_metrics.ts";

const log = logger("daemon");

/**
 * Keeps this thread serving whatever is thrown in it. Each bug is logged at ERROR with an id, which
 * the operation that it happened in, where that is known, gives to its caller.
 * @returns a function that reports the bugs of other threads in the same way
 */
export function reportUncaught(metrics: DaemonMetrics): (uncaught: Uncaught) => void {
  const report = ({ kind, error, fail }: Uncaught) => {
    const bug = crypto.randomUUID();
    metrics.uncaught(kind);
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
