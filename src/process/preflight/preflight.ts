/**
 * Preflight checks: what a node needs for wsdaemon to work, looked at before it is used. `wsdaemon doctor`
 * makes all of them, `config validate` those that need no network, a start those that it does not make
 * anyway while it takes the root.
 */

import type { Config } from "../../config/mod.ts";
import { findGit } from "../find_program.ts";
import { type Check, failed, passed } from "./check.ts";
import { clockCheck } from "./clock_check.ts";
import { confinementCheck } from "./confinement_check.ts";
import { kernelCheck, limitsCheck, rightsCheck, runtimeCheck } from "./host_checks.ts";
import { fileSystemProbe } from "./file_system_probe.ts";
import { fileSystemCheck, rootCheck } from "./root_checks.ts";
import { spaceChecks } from "./space_checks.ts";
import { stateCheck } from "./state_check.ts";
import { fileChecks, tlsChecks } from "./tls_checks.ts";

/** Makes the checks that a start rests on, before it touches anything. */
export function startChecks(config: Config): Check[] {
  const files = fileChecks(config);
  return [
    limitsCheck(),
    rightsCheck(config),
    runtimeCheck(config),
    kernelCheck(),
    ...files,
    // Else the same file would be told of twice.
    ...files.every(({ outcome }) => outcome === "ok") ? tlsChecks(config) : [],
    fileSystemCheck(config),
    stateCheck(config),
    clockCheck(config),
  ];
}

/** Makes every check that needs no network; nothing stays that they make. */
export async function localChecks(config: Config): Promise<Check[]> {
  return [
    rootCheck(config),
    ...fileSystemProbe(config),
    ...await spaceChecks(config),
    await gitCheck(),
    confinementCheck(config),
    ...startChecks(config),
  ];
}

async function gitCheck(): Promise<Check> {
  const found = await findGit(Deno.env.get("PATH") ?? "");
  if ("git" in found) return passed("git", `${found.git.path} is ${found.git.version}`);
  return failed("git", `Git initializers and git_status will not work: ${found.problem}`);
}
