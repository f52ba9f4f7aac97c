/**
 * The configuration: its schema, and one decided `Config` from flags, environment, file and defaults.
 *
 * Problems are `ConfigError`s that name the source (file with line and column, variable, flag), the
 * key's path and what was expected.
 */

export { type ConfigSource, formatPath, isObject, setAt, valueAt } from "./config_source.ts";
export { configJsonSchema } from "./keys.ts";
export { type ConfigSources, loadConfig, type LoadedConfig } from "./load_config.ts";
export { conflicts, grpcAddresses } from "./resolve_config.ts";
export { type Config, MIN_SNAPSHOT_TTL } from "./schema.ts";
export { showConfig } from "./show_config.ts";
export {
  formatDuration,
  formatSize,
  formatSpan,
  parseCalendarSpan,
  parseDuration,
  parseSize,
} from "./units.ts";
