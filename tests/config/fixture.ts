/** Loads configs from text, flags and variables as a daemon would. */

import { formatPath } from "../../src/config/config_source.ts";
import { loadConfig, type LoadedConfig } from "../../src/config/load_config.ts";

export interface Given {
  /** Text of a config file. */
  file?: string;
  env?: Record<string, string>;
  flags?: Record<string, unknown>;
}

/** What {@link load} calls the config file. */
export const FILE = "wsdaemon.json";

/** Loads with `/work/dir` as the working directory and 1000:1001 as the user. */
export function load({ file, env = {}, flags = {} }: Given): LoadedConfig {
  const folder = Deno.makeTempDirSync();
  try {
    const path = `${folder}/${FILE}`;
    if (file !== undefined) Deno.writeTextFileSync(path, file);
    return loadConfig({
      ...(file === undefined ? {} : { file: path }),
      env,
      flags: { values: flags, locate: (key) => `--${formatPath(key)}` },
      cwd: "/work/dir",
      uid: 1000,
      gid: 1001,
    });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
