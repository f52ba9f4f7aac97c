/** Checks of the machine and of what this process may do on it. */

import { type Config, grpcAddresses } from "../../config/mod.ts";
import { parseAddress } from "../../address.ts";
import { ownerProblem } from "../content_owner.ts";
import { limitProblem, needsOf, thisSystem } from "../limits.ts";
import { listenerProblem, runtimeWarning } from "../runtime.ts";
import { type Check, failed, passed, warned } from "./check.ts";

/** The first kernel with `openat2`, by which content Workers resolve every path. */
const OLDEST_KERNEL = [5, 6] as const;

/** Checks whether this version of Deno serves on the listeners of the config. */
export function runtimeCheck(config: Config, version = Deno.version.deno): Check {
  const name = "runtime";
  const problem = listenerProblem(version, {
    unix: grpcAddresses(config).some((address) => parseAddress(address).kind === "unix"),
    tls: config.tls !== undefined,
  });
  if (problem !== undefined) return failed(name, problem);
  const warning = runtimeWarning(version);
  return warning === undefined
    ? passed(name, `Deno ${version}`)
    : warned(name, warning, "install the binary of a release");
}

/**
 * Checks the kernel's version.
 * @param release as in `/proc/sys/kernel/osrelease`; empty where that is hidden (`ProcSubset=pid`)
 */
export function kernelCheck(release = Deno.osRelease()): Check {
  const name = "kernel";
  if (release === "") return passed(name, "Linux; /proc does not say which");
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_KERNEL;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) {
    return passed(name, `Linux ${release}`);
  }
  return failed(
    name,
    `Linux ${release} lacks openat2, by which content is kept apart`,
    `run Linux ${oldestMajor}.${oldestMinor} or newer`,
  );
}

/** Checks whether enough threads and open files are allowed. */
export function limitsCheck(): Check {
  const needs = needsOf(navigator.hardwareConcurrency);
  const problem = limitProblem(needs, thisSystem);
  return problem === undefined
    ? passed("limits", `${needs.threads} threads and ${needs.openFiles} open files can be had`)
    : failed("limits", problem);
}

/**
 * Capabilities by their bit in a set, and what cannot be done without each. `CAP_MKNOD` is not among
 * them: the sample unit leaves it out.
 */
const CAPABILITIES: readonly [bit: number, name: string, without: string][] = [
  [0, "CAP_CHOWN", "restored content loses its owners"],
  [1, "CAP_DAC_OVERRIDE", "content that its owner has closed can be neither read nor deleted"],
  [3, "CAP_FOWNER", "modes and times of others' files cannot be restored"],
  [4, "CAP_FSETID", "set-id bits cannot be restored"],
  [6, "CAP_SETGID", "Git cannot run as the content's owner"],
  [7, "CAP_SETUID", "Git cannot run as the content's owner"],
  [31, "CAP_SETFCAP", "files lose their capabilities"],
];

/** Checks what the process may do. @param status as `/proc/self/status` has it */
export function rightsCheck(
  { contentOwner }: Config,
  uid = Deno.uid() ?? 0,
  status = Deno.readTextFileSync("/proc/self/status"),
): Check {
  const name = "rights";
  const problem = ownerProblem(contentOwner, uid);
  if (problem !== undefined) return failed(name, problem);
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  const missing = CAPABILITIES.filter(([bit]) => (effective >> BigInt(bit) & 1n) === 0n);
  if (missing.length === 0) return passed(name, `uid ${uid} with every capability it uses`);
  const consequences = [...new Set(missing.map(([, , without]) => without))].join(", ");
  return warned(
    name,
    `uid ${uid} lacks ${missing.map(([, capability]) => capability).join(", ")}: ${consequences}`,
    "run it as root with the capabilities of scripts/wsdaemon.service, where that matters",
  );
}
