/** Writes log records as lines to stderr, in every thread that configures it. */

import {
  configureSync,
  getJsonLinesFormatter,
  getTextFormatter,
  type LogRecord,
} from "@logtape/logtape";
import { logger } from "./logger.ts";
import { LogStream } from "./log_stream.ts";

/** Which records are written, and in which form. */
export interface LogOptions {
  /** The least severe records to write. */
  level: "trace" | "debug" | "info" | "warning" | "error" | "fatal";
  /** Lines for people, or one JSON object a line. */
  format: "text" | "json";
}

/** Milliseconds that a thread waits at its end for the reader of stderr to take what is queued. */
const FLUSH_TIME = 1_000;

/** Stderr behind a queue, for a thread that must not wait for its reader. */
const standardError = new LogStream(Deno.stderr);

/** Queues a line for stderr; see {@link LogStream}. */
export function printQueued(line: string): void {
  standardError.write(`${line}\n`);
}

/** Waits, for a second at most, until what was queued is written. */
export async function flushLog(): Promise<void> {
  await standardError.flush(FLUSH_TIME);
}

/**
 * Queues records for stderr. From now on the thread must not write to it in any other way.
 * @param dropped where lines that could not be written are counted
 */
export function configureQueuedLogging(log: LogOptions, dropped: SharedArrayBuffer): void {
  configureLogging(log, (text) => standardError.write(text));
  standardError.countIn(dropped);
  standardError.onResumed = (lines) =>
    logger("process").warn("{lines} lines of the log were dropped: stderr did not take them", {
      lines,
    });
}

/** Writes records of `level` and above, each as text that ends with a newline. */
export function configureLogging(
  { level, format }: LogOptions,
  write: (text: string) => void,
): void {
  const formatter = format === "json"
    ? getJsonLinesFormatter()
    : getTextFormatter({ timestamp: "rfc3339", value: plainText });
  const stderr = (record: LogRecord) => write(formatter(record));
  configureSync({
    reset: true,
    sinks: { stderr },
    loggers: [
      { category: "wsdaemon", sinks: ["stderr"], lowestLevel: level },
      { category: ["logtape", "meta"], sinks: ["stderr"], lowestLevel: "error" },
    ],
  });
}

/** Returns a string as it is unless it has control characters, with which it could imitate other lines. */
function plainText(value: unknown, inspect: (value: unknown) => string): string {
  // deno-lint-ignore no-control-regex -- control characters are what this is about
  return typeof value === "string" && !/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(value)
    ? value
    : inspect(value);
}
