/** The flags that set keys of the config, shared by every command that loads one. */

import { Command, Option } from "commander";
import {
  type Config,
  type ConfigSource,
  type ConfigSources,
  formatPath,
  loadConfig,
  setAt,
  valueAt,
} from "../config/mod.ts";
import { chooseConfigFile, type ConfigFile, NODE_CONFIG } from "./config_file.ts";
import { printError } from "./io.ts";

/** A flag that sets one key of the config. */
interface ConfigFlag {
  flags: string;
  path: readonly string[];
  description: string;
  choices?: readonly string[];
}

const FLAGS: readonly ConfigFlag[] = [
  { flags: "--root <dir>", path: ["root"], description: "the one folder that holds everything" },
  {
    flags: "--listen <addr...>",
    path: ["listen"],
    description: "HOST:PORT or unix:///path to serve gRPC on; port 0 picks a free one; repeatable",
  },
  {
    flags: "--operations-listen <addr...>",
    path: ["operations", "listen"],
    description:
      "HOST:PORT or unix:///path to serve operators' calls on, and nowhere else; repeatable",
  },
  {
    flags: "--insecure",
    path: ["insecure"],
    description: "serve without TLS where other machines can connect",
  },
  { flags: "--tls-cert <file>", path: ["tls", "cert"], description: "PEM certificate chain" },
  { flags: "--tls-key <file>", path: ["tls", "key"], description: "PEM private key" },
  {
    flags: "--tls-client-ca <file>",
    path: ["tls", "clientCa"],
    description: "PEM authority that clients need a certificate from",
  },
  {
    flags: "--metrics-listen <addr>",
    path: ["metrics", "listen"],
    description: 'HOST:PORT for /metrics, /healthz and /readyz, or "off"',
  },
  {
    flags: "--log-level <level>",
    path: ["log", "level"],
    description: "least severe records to write",
    choices: ["trace", "debug", "info", "warning", "error", "fatal"],
  },
  {
    flags: "--log-format <format>",
    path: ["log", "format"],
    description: "how to write them",
    choices: ["text", "json"],
  },
];

/** Adds `--config` and the flags that set keys: those in `keys`, or all if absent. */
export function addConfigFlags(command: Command, keys?: readonly string[]): Command {
  command.option(
    "--config <file>",
    `config file, JSON with comments (or WSDAEMON_CONFIG); ${NODE_CONFIG} unless --root is given`,
  );
  for (const flag of FLAGS) {
    if (keys && !keys.includes(flag.path.join("."))) continue;
    const option = new Option(flag.flags, flag.description);
    command.addOption(flag.choices ? option.choices(flag.choices) : option);
  }
  return command;
}

/**
 * Loads the config from the flags given to `command`, the environment and the file, and prints its warnings
 * to stderr.
 * @throws {ConfigError} with every problem
 */
export function loadFromFlags(command: Command): Config {
  const { config, warnings } = loadConfig(configSources(command));
  for (const warning of warnings) printError(`warning: ${warning}`);
  return config;
}

/** Returns what the config is made from: the flags given to `command`, the environment and the file. */
export function configSources(command: Command): ConfigSources {
  const env = Deno.env.toObject();
  const { file } = configFileOf(command, env);
  return {
    ...(file === undefined ? {} : { file }),
    env,
    flags: flagLayer(command),
    cwd: Deno.cwd(),
    uid: Deno.uid() ?? 0,
    gid: Deno.gid() ?? 0,
  };
}

/** Returns which config file the flags given to `command` and the environment come to. */
export function configFileOf(
  command: Command,
  env: Readonly<Record<string, string>> = Deno.env.toObject(),
): ConfigFile {
  const { config: flag, root } = command.opts<{ config?: string; root?: string }>();
  return chooseConfigFile({ flag, root, env });
}

/** Returns the flags given to `command` as the topmost source of the config. */
function flagLayer(command: Command): ConfigSource {
  const options = command.opts();
  const values: Record<string, unknown> = {};
  for (const { flags, path } of FLAGS) {
    const value: unknown = options[new Option(flags).attributeName()];
    if (value !== undefined) setAt(values, path, value);
  }
  return {
    values,
    locate(path) {
      const key = formatPath(path.filter((part) => typeof part === "string"));
      const present = FLAGS.filter((flag) => valueAt(values, flag.path) !== undefined);
      const flag = present.find((candidate) => candidate.path.join(".") === key) ??
        present.find((candidate) => candidate.path.join(".").startsWith(`${key}.`));
      return flag ? new Option(flag.flags).long ?? flag.flags : "flags";
    },
  };
}
