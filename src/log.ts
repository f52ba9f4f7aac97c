/**
 * Structured logging. A room logs through `logger("room")`; what becomes of the records is
 * decided where a process or Worker starts. Nothing that is a secret is ever given to a logger.
 */

import { getLogger, type Logger } from "@logtape/logtape";

export type { Logger };

/** The logger of a room: category `wsdaemon.<room>`. */
export function logger(room: string): Logger {
  return getLogger(["wsdaemon", room]);
}
