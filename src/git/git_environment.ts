/**
 * The arguments and environment of every git process, which disable all that could make it run another
 * program: the system's and the user's config, prompts, hooks, monitors, protocols that are not allowed.
 */

import { dirname } from "@std/path";
import { CREDENTIAL_HELPER } from "./credentials.ts";

/** Config on the command line, which overrides a repository's own. */
const HARDENED: readonly (readonly [string, string])[] = [
  ["core.hooksPath", "/dev/null"],
  ["core.fsmonitor", "false"],
  ["core.untrackedCache", "false"],
  ["core.attributesFile", "/dev/null"],
  ["core.excludesFile", "/dev/null"],
  ["core.askPass", ""],
  ["core.pager", "cat"],
  ["credential.helper", ""],
  // Staging trees are made durable as a whole when they are published; synchronising thousands of refs
  // one by one would take minutes.
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
 * Seconds without a byte from a server after which a transfer is aborted and retried. Servers that work
 * on a large pack send 5 bytes every 5 seconds meanwhile, so a limit of one byte a second distinguishes
 * them from those that have died; five attempts take 8 minutes to find that out.
 */
const SILENCE_LIMIT = 90;
/** Seconds between two keep-alive messages to an ssh server. */
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
 * Returns the text of the config that replaces a user's: defaults that a repository or `custom_config` may
 * override.
 * @param options.silence seconds without a byte from an http(s) server until a transfer is aborted
 * @param options.authorities absolute path of a PEM file of all authorities to trust; git's own unless
 *   given
 */
export function globalConfig(
  { silence = SILENCE_LIMIT, authorities }: {
    silence?: number | undefined;
    authorities?: string;
  } = {},
): string {
  const trust = authorities === undefined ? "" : `\tsslCAInfo = ${authorities}\n`;
  return `[safe]
\tdirectory = *
[http]
${trust}\tlowSpeedLimit = 1
\tlowSpeedTime = ${silence}
[init]
\tdefaultBranch = main
[user]
\tname = wsdaemon
\temail = wsdaemon@localhost
`;
}

/** Returns the arguments that precede a git command's own. */
export function hardenedArguments(options: { credentials: boolean }): string[] {
  const config = options.credentials
    ? [...HARDENED, ["credential.helper", CREDENTIAL_HELPER], ["credential.useHttpPath", "true"]]
    : HARDENED;
  return ["--no-pager", ...config.flatMap(([key, value]) => ["-c", `${key}=${value}`])];
}

/** What the environment of a git process depends on. */
export interface EnvironmentOptions {
  /** Absolute path of git. */
  program: string;
  /** Absolute path of a folder with {@link globalConfig} as `.gitconfig` and nothing else. */
  home: string;
  protocols: readonly string[];
  /** The egress proxy's URL; no host can be reached where it is absent. */
  proxyUrl?: string;
}

/** Returns the whole environment of a git process. */
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

/** Shows git no repository, for commands that work on what they are given. */
export const NO_REPO_ENV: Readonly<Record<string, string>> = { GIT_DIR: "/dev/null" };

/** Shows git the repository of the directory that it runs in, and no other above that. */
export const LOCAL_REPO_ENV: Readonly<Record<string, string>> = {
  GIT_DIR: ".git",
  GIT_WORK_TREE: ".",
};

/** {@link LOCAL_REPO_ENV} for commands that take paths, which then are no patterns. */
export const LITERAL_PATHSPECS_ENV: Readonly<Record<string, string>> = {
  ...LOCAL_REPO_ENV,
  GIT_LITERAL_PATHSPECS: "1",
};
