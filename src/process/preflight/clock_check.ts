import type { Config } from "../../config/mod.ts";
import { journalPath } from "../../state_schema.ts";
import { type Check, passed, warned } from "./check.ts";

/** Milliseconds that a clock may be corrected by without harm. */
const TOLERANCE_MS = 60_000;

/**
 * Checks that this node's clock is not behind what it was when the daemon last wrote its state: content
 * that changes "before" its last backup would be read in vain, and certificates judged wrongly.
 * @param now milliseconds since the epoch
 */
export function clockCheck({ root }: Config, now = Date.now()): Check {
  const name = "clock";
  const time = new Date(now).toISOString();
  const written = lastWritten(journalPath(root));
  if (written === undefined || written - now <= TOLERANCE_MS) return passed(name, time);
  return warned(
    name,
    `it is ${time} here, but the state in ${root} was written at ` +
      new Date(written).toISOString(),
    "set the clock (timedatectl), and let NTP keep it",
  );
}

function lastWritten(path: string): number | undefined {
  try {
    return Deno.statSync(path).mtime?.getTime();
  } catch {
    return undefined;
  }
}
