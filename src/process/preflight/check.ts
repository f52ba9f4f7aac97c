/** The results of preflight checks. */

/** The outcome of a check. What failed stops the start, or the work that needs it. */
export type Outcome = "ok" | "warning" | "failed";

/** One thing that was looked at. */
export interface Check {
  /** What was looked at, in a word or two. */
  name: string;
  outcome: Outcome;
  /** What was found, in words without a full stop. */
  message: string;
  /** What an operator can do about it, in the imperative; absent where there is nothing to do. */
  remedy?: string;
}

/** Returns a check that found everything in order. */
export function passed(name: string, message: string): Check {
  return { name, outcome: "ok", message };
}

/** Returns a check that found something to know of. */
export function warned(name: string, message: string, remedy: string): Check {
  return { name, outcome: "warning", message, remedy };
}

/** Returns a check that found something that must be mended. A message may end with its own remedy. */
export function failed(name: string, message: string, remedy?: string): Check {
  return { name, outcome: "failed", message, ...(remedy === undefined ? {} : { remedy }) };
}

/** Returns a check's message with its remedy. */
export function inWords({ message, remedy }: Check): string {
  return remedy === undefined ? message : `${message}; ${remedy}`;
}
