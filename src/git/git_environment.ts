/**
 * How every git of ours is made deaf to what could make it run something: to the system's and the
 * user's config, to prompts, hooks, monitors, and to protocols that were not allowed.
 */

import { dirname } from "@std/path";
import { HELPER } from "./credentials.ts";

/** Command-line config, which wins over a repository's own. */
const HARDENED: readonly (readonly [string, string])[] = [
  ["core.hooksPath", "/dev/null"],
  ["core.fsmonitor", "false"],
  ["core.untrackedCache", "false"],
  ["core.attributesFile", "/dev/null"],
  ["core.excludesFile", "/dev/null"],
  ["core.askPass", ""],
  ["core.pager", "cat"],
  ["credential.helper", ""],
  // Trees in the making are synchronised as a whole when they are published; one by one, thousands of
  // refs would take minutes.
  ["core.fsync", "none"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  ["submodule.recurse", "false"],
  ["fetch.recurseSubmodules", "false"],
  ["protocol.ext.allow", "never"],
  ["log.showSignature", "false"],
  ["commit.gpgSign", "false"],
  ["advice.detachedHead", "false"],
];

/**
 * Seconds without a byte from a server after which a transfer is given up and tried again. Servers
 * that are long at work on a pack send 5 bytes every 5 seconds meanwhile, so that a limit of one byte
 * a second tells them from those that have died, which five attempts take 8 minutes to find out.
 */
const SILENCE_LIMIT = 90;
/** Seconds between two questions to an ssh server whether it is still there. */
const SSH_ALIVE_INTERVAL = 15;

/** ssh with nothing of the user whom git runs as: no config, keys, agent, tickets or known hosts. */
const SSH = [
  "ssh -F /dev/null",
  "BatchMode=yes",
  "ConnectTimeout=30",
  "IdentityFile=none",
  "IdentityAgent=none",
  "UserKnownHostsFile=/dev/null",
  "HostbasedAuthentication=no",
  "GSSAPIAuthentication=no",
  `ServerAliveInterval=${SSH_ALIVE_INTERVAL}`,
  `ServerAliveCountMax=${SILENCE_LIMIT / SSH_ALIVE_INTERVAL}`,
].join(" -o ");

/**
 * Returns the text of the config that stands where a user's would be: what a repository or
 * `custom_config` may say otherwise.
 * @param silence seconds without a byte from an http(s) server until a transfer is given up
 */
export function globalConfig(silence: number = SILENCE_LIMIT): string {
  return `[safe]
\tdirectory = *
[http]
\tlowSpeedLimit = 1
\tlowSpeedTime = ${silence}
[init]
\tdefaultBranch = main
[user]
\tname = wsdaemon
\temail = wsdaemon@localhost
`;
}

/** Arguments that precede a git command's own. */
export function hardenedArguments(options: { credentials: boolean }): string[] {
  const config = options.credentials
    ? [...HARDENED, ["credential.helper", HELPER], ["credential.useHttpPath", "true"]]
    : HARDENED;
  return ["--no-pager", ...config.flatMap(([key, value]) => ["-c", `${key}=${value}`])];
}

export interface EnvironmentOptions {
  /** Absolute path of git. */
  program: string;
  /** Absolute path of a folder with {@link globalConfig} as `.gitconfig` and nothing else. */
  home: string;
  protocols: readonly string[];
  /** How to reach hosts by http(s); none can be reached where it is absent. */
  proxyUrl?: string;
}

/** The whole environment of a git process. */
export function gitEnvironment(options: EnvironmentOptions): Record<string, string> {
  const { program, home, protocols, proxyUrl } = options;
  return {
    PATH: [...new Set([dirname(program), "/usr/local/bin", "/usr/bin", "/bin"])].join(":"),
    HOME: home,
    XDG_CONFIG_HOME: home,
    LC_ALL: "C",
    LANGUAGE: "C",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: `${home}/.gitconfig`,
    GIT_ATTR_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ASKPASS: "",
    SSH_ASKPASS: "",
    GIT_PAGER: "cat",
    GIT_EDITOR: "false",
    GIT_SEQUENCE_EDITOR: "false",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_ALLOW_PROTOCOL: proxyUrl === undefined ? "none" : protocols.join(":"),
    GIT_SSH_COMMAND: SSH,
    GIT_SSH_VARIANT: "ssh",
    GIT_PROXY_COMMAND: "",
    GIT_EXTERNAL_DIFF: "",
    ...(proxyUrl === undefined ? {} : { ALL_PROXY: proxyUrl }),
  };
}
