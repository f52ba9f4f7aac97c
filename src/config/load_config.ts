/** Makes the config of flags, environment, file and defaults; each wins over those after it. */

import { dirname, resolve } from "@std/path";
import { PATH_FORMAT } from "../schema_fields.ts";
import { conflicts, resolveConfig } from "./resolve_config.ts";
import { readEnvironment } from "./environment.ts";
import { parseConfig, readConfigFile } from "./file.ts";
import { configJsonSchema, leaves } from "./keys.ts";
import { type ConfigSource, merge, setAt, valueAt } from "./config_source.ts";
import { ConfigError } from "../errors.ts";
import { describeIssue, problemAt } from "./problems.ts";
import { type Config, configSchema } from "./schema.ts";

/** The sources of a config. */
export interface ConfigSources {
  /** Path of the config file, if there is one. */
  file?: string;
  /** Its text, where that has been read already. */
  text?: string;
  env: Readonly<Record<string, string>>;
  /** The settings of flags, in the file's form, each located by its flag. */
  flags: ConfigSource;
  cwd: string;
  uid: number;
  gid: number;
}

/** A config, and the warnings about it. */
export interface LoadedConfig {
  config: Config;
  /** Oddities that are no reason to stop, a line each. */
  warnings: string[];
}

/**
 * Returns the config that flags, environment, file and defaults make together.
 * @throws {ConfigError} with every problem that was found
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const env = readEnvironment(sources.env);
  const file = sources.file === undefined
    ? []
    : [readFile(resolve(sources.cwd, sources.file), sources.text)];
  const ordered: ConfigSource[] = [...file, env, sources.flags];
  const merged = ordered.reduce<Record<string, unknown>>(
    (under, { values }) => merge(under, values),
    {},
  );
  const parsed = configSchema.safeParse(merged);
  if (!parsed.success) {
    throw new ConfigError(
      parsed.error.issues.flatMap((issue) => describeIssue(issue, ordered, merged)),
    );
  }
  const config = resolveConfig(parsed.data, sources);
  const found = conflicts(config);
  if (found.length > 0) {
    throw new ConfigError(found.map(({ path, problem }) => problemAt(ordered, path, problem)));
  }
  return { config, warnings: env.warnings };
}

/** @param path absolute */
function readFile(path: string, text: string | undefined): ConfigSource {
  const source = text === undefined ? readConfigFile(path) : parseConfig(text, path);
  return anchored(source, dirname(path));
}

function anchored(source: ConfigSource, folder: string): ConfigSource {
  const values = structuredClone(source.values) as Record<string, unknown>;
  for (const { path, format } of leaves(configJsonSchema())) {
    if (format !== PATH_FORMAT) continue;
    const value = valueAt(values, path);
    if (typeof value === "string" && value !== "") setAt(values, path, resolve(folder, value));
  }
  return { ...source, values };
}
