/**
 * Structured logging. An area logs through `logger("area")`; what becomes of the records is
 * decided where a process or Worker starts. Nothing that is a secret is ever given to a logger.
 */

import { getLogger, type Logger } from "@logtape/logtape";

export type { Logger };

/** The logger of an area: category `wsdaemon.<area>`. */
export function logger(area: string): Logger {
  return getLogger(["wsdaemon", area]);
}
