/** Parses the values of options, for commander. */

import { InvalidArgumentError } from "commander";
import { formatDuration, parseDuration, parseSize } from "../config/mod.ts";

/**
 * Returns a parser of durations, to milliseconds.
 * @param example of a duration, for the message about a wrong one
 * @param least milliseconds that it has to be
 */
export function durationParser(example: string, least = 0): (text: string) => number {
  return (text) => {
    const milliseconds = parseDuration(text);
    if (milliseconds !== undefined && milliseconds >= least) return milliseconds;
    const bound = least > 1 ? ` of at least ${formatDuration(least)}` : "";
    throw new InvalidArgumentError(`Expected a duration${bound} such as "${example}".`);
  };
}

/**
 * Returns a parser of sizes, to bytes.
 * @param example of a size, for the message about a wrong one
 */
export function sizeParser(example: string): (text: string) => number {
  return (text) => {
    const bytes = parseSize(text);
    if (bytes !== undefined) return bytes;
    throw new InvalidArgumentError(`Expected a size such as "${example}".`);
  };
}
