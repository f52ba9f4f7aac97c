/** Tells operators what the kernel holds the daemon's threads to. */

import { logger } from "../log/mod.ts";
import type { ConfinementSupport } from "../linux/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";

const log = logger("daemon");

/** What each older Landlock ABI lacks, and the Linux that has it. */
const LACKS: readonly (readonly [abi: number, what: string])[] = [
  [3, "truncating files outside (Linux 6.2)"],
  [4, "TCP of content Workers (6.7)"],
  [5, "ioctl on devices (6.10)"],
  [6, "signals and abstract sockets of content Workers (6.12)"],
];

/** Logs and records what binds the threads; `undefined` where nothing does. */
export function reportConfinement(
  confinement: ConfinementSupport | undefined,
  metrics: Metrics,
): void {
  const { landlock, seccomp } = confinement ?? { landlock: 0, seccomp: false };
  metrics.gauge(
    "wsdaemon_confinement_info",
    "Always 1; its labels say what the kernel holds the daemon's threads to",
    ["landlock", "seccomp"],
  ).set({ landlock: String(landlock), seccomp: seccomp ? "filter" : "none" }, 1);
  if (!confinement) {
    return log.warn("Nothing but Deno's permissions confines this process: confinement is off");
  }
  const missing = LACKS.flatMap(([abi, what]) => landlock < abi ? [what] : []);
  if (landlock === 0) {
    log.warn(
      "There is no Landlock (Linux before 5.19, lsm= of its command line, or a container or unit that " +
        "refuses it): only Deno's permissions keep threads from files outside their folders",
    );
  } else {
    log.info("Landlock (ABI {landlock}) holds every thread to its folders", { landlock });
    if (missing.length > 0) {
      log.warn("This kernel's Landlock does not refuse {missing}", { missing: missing.join(", ") });
    }
  }
  if (!seccomp) log.warn("The kernel has no seccomp filters: no system calls are refused");
}
