/** What becomes of log records: lines on stderr, in every thread that configures it. */

import {
  configureSync,
  getJsonLinesFormatter,
  getTextFormatter,
  type LogRecord,
} from "@logtape/logtape";
import type { Config } from "../config/schema.ts";

/** Writes records of `level` and above to stderr. Needs no permission. */
export function configureLogging({ level, format }: Config["log"]): void {
  const formatter = format === "json"
    ? getJsonLinesFormatter()
    : getTextFormatter({ timestamp: "rfc3339", value: plainText });
  const encoder = new TextEncoder();
  const stderr = (record: LogRecord) => writeAll(encoder.encode(formatter(record)));
  configureSync({
    reset: true,
    sinks: { stderr },
    loggers: [
      { category: "wsdaemon", sinks: ["stderr"], lowestLevel: level },
      { category: ["logtape", "meta"], sinks: ["stderr"], lowestLevel: "error" },
    ],
  });
}

/** Strings as they are, unless a caller's could look like lines of ours. */
function plainText(value: unknown, inspect: (value: unknown) => string): string {
  // deno-lint-ignore no-control-regex -- control characters are what this is about
  return typeof value === "string" && !/[\x00-\x1f\x7f-\x9f\u2028\u2029]/.test(value)
    ? value
    : inspect(value);
}

function writeAll(bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(Deno.stderr.writeSync(rest));
}
