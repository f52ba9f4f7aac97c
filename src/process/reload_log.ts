import type { Config, LoadedConfig } from "../config/mod.ts";
import { ConfigError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { ConfigRead } from "./messages.ts";

/**
 * Returns how the config as it is now has records written; as `running` has it where the config cannot be
 * used. Logs the warnings about it, and which other keys have changed, since they take effect at the next
 * start.
 * @param reload loads the config from the text of its file
 */
export function reloadLog(
  running: Config,
  read: ConfigRead,
  reload: (text: string) => LoadedConfig,
): Config["log"] {
  const log = logger("process");
  let config: Config;
  let warnings: readonly string[];
  try {
    if ("problem" in read) throw new ConfigError([read.problem]);
    ({ config, warnings } = reload(read.text));
  } catch (error) {
    log.error("The log goes on as it was, since the config cannot be used: {reason}", {
      reason: messageOf(error),
    });
    return running.log;
  }
  for (const warning of warnings) log.warn("{warning}", { warning });
  const changed = Object.entries(config)
    .filter(([key, value]) =>
      key !== "log" && JSON.stringify(value) !== JSON.stringify(Reflect.get(running, key))
    )
    .map(([key]) => key);
  if (changed.length > 0) {
    log.warn(
      "What is new in {changed} of the config takes effect at the next start: SIGHUP renews the " +
        "log's settings and the certificates",
      { changed: changed.join(", ") },
    );
  }
  return config.log;
}
