/**
 * Structured logging. A module logs through `logger("module")`; what becomes of the records is
 * decided where a process or Worker starts. Nothing that is a secret is ever given to a logger.
 */

import { getLogger, type Logger } from "@logtape/logtape";

export type { Logger };

/** Returns the logger of a module, with the category `wsdaemon.<module>`. */
export function logger(module: string): Logger {
  return getLogger(["wsdaemon", module]);
}
