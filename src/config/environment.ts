/** `WSDAEMON_*`: every key of the config as a variable, such as `WSDAEMON_GIT_TIMEOUT`. */

import { configJsonSchema, type Leaf, leaves } from "./keys.ts";
import { type ConfigSource, setAt } from "./config_source.ts";
import { suggest } from "./problems.ts";

const PREFIX = "WSDAEMON_";
/** Variables that are not keys of the config: its file, the client's address, and where a program unpacks itself. */
const NOT_SETTINGS = ["WSDAEMON_CONFIG", "WSDAEMON_ADDR", "WSDAEMON_PROGRAM_DIR"];

/** Returns the variable of a key: `["storage", "accessKeyId"]` is `WSDAEMON_STORAGE_ACCESS_KEY_ID`. */
export function variableOf(path: readonly string[]): string {
  const words = path.map((key) => key.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase());
  return PREFIX + words.join("_");
}

/**
 * Reads the settings in `env`. Unknown variables become warnings, not errors: orchestrators add some of
 * their own.
 */
export function readEnvironment(
  env: Readonly<Record<string, string>>,
): ConfigSource & { warnings: string[] } {
  const keys = leaves(configJsonSchema()).filter((leaf) => !leaf.path[0]!.startsWith("$"));
  const settings = new Map(keys.map((leaf) => [variableOf(leaf.path), leaf]));
  const values: Record<string, unknown> = {};
  const warnings: string[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || NOT_SETTINGS.includes(name)) continue;
    const leaf = settings.get(name);
    if (leaf) setAt(values, leaf.path, fromText(leaf, text));
    else warnings.push(`${name} is not a setting; ${suggest(name, [...settings.keys()])}`);
  }
  return {
    values,
    warnings,
    locate: (path) => variableOf(path.filter((part) => typeof part === "string")),
  };
}

/** Converts a variable's text to the key's type. Text that cannot be converted is left for the schema to refuse. */
function fromText({ type }: Leaf, text: string): unknown {
  if (type === "boolean" && /^(?:true|false|1|0)$/.test(text)) {
    return text === "true" || text === "1";
  }
  if (type === "integer" && /^\d+$/.test(text)) return Number(text);
  if (type === "array") return text.split(",").map((part) => part.trim()).filter((part) => part);
  return text;
}
