/** Writes log records as lines to stderr, in every thread that configures it. */

import {
  configureSync,
  getJsonLinesFormatter,
  getTextFormatter,
  type LogLevel,
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
  /** Whether journald reads the lines, and takes a priority from their start; false unless given. */
  journal?: boolean;
}

/** Levels as priorities of syslog, which journald takes from `<N>` at the start of a line. */
const PRIORITIES: Readonly<Record<LogLevel, number>> = {
  fatal: 2,
  error: 3,
  warning: 4,
  info: 6,
  debug: 7,
  trace: 7,
};

/** Milliseconds that a thread waits at its end for the reader of stderr to take what is queued. */
const FLUSH_TIME = 1_000;

/** Stderr behind a queue, for a thread that must not wait for its reader. */
const standardError = new LogStream(Deno.stderr);

/** Formats lines that are no records, as the last configuration of this thread has it. */
let formatLine: (line: string, level: LogLevel) => string = (line) => `${line}\n`;

/** Returns properties that the code at hand adds to each of its records. */
let readContext: () => Readonly<Record<string, unknown>> = () => ({});

/**
 * Has each record of this thread carry what `read` returns when it is made, such as the operation that the
 * code at hand works for.
 */
export function setLogContext(read: () => Readonly<Record<string, unknown>>): void {
  readContext = read;
}

/**
 * Queues a line for stderr that is no record, see {@link LogStream}: as it is, or as JSON where the log is
 * JSON.
 */
export function printQueued(line: string, level: LogLevel = "info"): void {
  standardError.write(formatLine(line, level));
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
export function configureLogging(options: LogOptions, write: (text: string) => void): void {
  const prefix = options.journal ? prioritized : (text: string) => text;
  const formatter = options.format === "json" ? jsonFormatter() : textFormatter();
  const format = (record: LogRecord) => prefix(formatter(record), record.level);
  formatLine = options.format === "json"
    ? (line, level) => format(lineRecord(line, level))
    : (line, level) => prefix(`${line}\n`, level);
  const stderr = (record: LogRecord) => write(format(inContext(record)));
  configureSync({
    reset: true,
    sinks: { stderr },
    loggers: [
      { category: "wsdaemon", sinks: ["stderr"], lowestLevel: options.level },
      { category: ["logtape", "meta"], sinks: ["stderr"], lowestLevel: "error" },
    ],
  });
}

/** Puts the priority of a level before every line of a text. */
function prioritized(text: string, level: LogLevel): string {
  return text.replaceAll(/^(?=.)/gm, `<${PRIORITIES[level]}>`);
}

/** Returns a line that is no record as one. */
function lineRecord(line: string, level: LogLevel): LogRecord {
  return {
    category: ["wsdaemon", "process"],
    level,
    message: [line],
    rawMessage: line,
    timestamp: Date.now(),
    properties: {},
  };
}

/** Adds the context's properties; what a record says of itself counts more. */
function inContext(record: LogRecord): LogRecord {
  return { ...record, properties: { ...readContext(), ...record.properties } };
}

/** Formats for people, with the operation at the end of a line unless the line names it. */
function textFormatter(): (record: LogRecord) => string {
  const formatter = getTextFormatter({ timestamp: "rfc3339", value: plainText });
  return (record) => {
    const text = formatter(record);
    const { operation } = record.properties;
    if (typeof operation !== "string" || text.includes(operation)) return text;
    return `${text.trimEnd()} [${operation}]\n`;
  };
}

/** Formats for machines. The message has the words of a line for people, so that one looks for both alike. */
function jsonFormatter(): (record: LogRecord) => string {
  const formatter = getJsonLinesFormatter();
  const textOf = getTextFormatter({ format: ({ message }) => message, value: plainText });
  // A formatter of text ends its line.
  return (record) => formatter({ ...record, message: [textOf(record).replace(/\n$/, "")] });
}

/**
 * Returns a string as it is unless it has control characters, with which it could imitate other lines, and
 * lists in one line.
 */
function plainText(value: unknown, inspect: (value: unknown) => string): string {
  if (Array.isArray(value)) return Deno.inspect(value, ONE_LINE);
  // deno-lint-ignore no-control-regex -- control characters are what this is about
  return typeof value === "string" && !/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(value)
    ? value
    : inspect(value);
}

const ONE_LINE: Deno.InspectOptions = {
  breakLength: Infinity,
  compact: true,
  iterableLimit: Infinity,
  strAbbreviateSize: Infinity,
};
