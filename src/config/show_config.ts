/** Shows a config in the form of a file that could be loaded. */

import { z } from "zod";
import { SECRET_STORAGE_KEYS } from "../store/mod.ts";
import { type Config, configSchema, OFF } from "./schema.ts";

const REDACTED = "(set, not shown)";

/** Returns a config with every key decided, in the file's form, with secrets redacted. */
export function showConfig(config: Config): Record<string, unknown> {
  const { metrics, storage, ...rest } = config;
  const encoded = z.encode(configSchema, {
    ...rest,
    storage,
    metrics: { listen: metrics.listen ?? OFF },
  });
  return { ...encoded, storage: redacted(storage) };
}

function redacted(section: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(section).map((
      [key, value],
    ) => [key, SECRET_STORAGE_KEYS.includes(key) ? REDACTED : value]),
  );
}
