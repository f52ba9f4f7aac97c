/** Checks whether the kernel can hold the daemon's threads to their folders. */

import type { Config } from "../../config/mod.ts";
import { type ConfinementSupport, confinementSupport, openLibc } from "../../linux/mod.ts";
import { confinementProblem, missingConfinement } from "../confine_process.ts";
import { libcPath } from "../libc.ts";
import { type Check, failed, passed, warned } from "./check.ts";

/** Makes the check. @param support what the kernel has; looked at unless given */
export function confinementCheck(
  { confinement }: Pick<Config, "confinement">,
  support: ConfinementSupport = supportOfKernel(),
): Check {
  const name = "confinement";
  if (confinement === "off") return passed(name, "confinement is off");
  const missing = missingConfinement(support);
  if (missing === undefined) {
    return passed(name, `Landlock of ABI ${support.landlock} and seccomp hold every thread`);
  }
  if (confinement === "required") return failed(name, confinementProblem(support)!);
  return warned(
    name,
    `the kernel cannot hold every thread to its folders: ${missing}`,
    'run Linux 6.2 or newer, or rest on Deno\'s permissions and systemd; "required" refuses that',
  );
}

function supportOfKernel(): ConfinementSupport {
  openLibc(libcPath());
  return confinementSupport();
}
