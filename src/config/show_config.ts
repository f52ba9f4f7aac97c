/** A config written out again, as a file that could be loaded. */

import { z } from "zod";
import { type Config, configSchema, OFF, SECRET_KEYS } from "./schema.ts";

const REDACTED = "(set, not shown)";

/** Everything decided, in the file's form, with secrets covered. */
export function showConfig(config: Config): Record<string, unknown> {
  const { metrics, storage, ...rest } = config;
  const encoded = z.encode(configSchema, {
    ...rest,
    storage,
    metrics: { listen: metrics.listen ?? OFF },
  });
  return { ...encoded, storage: redacted({ ...storage }) };
}

function redacted(section: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(section).map(([key, value]) => [key, SECRET_KEYS.has(key) ? REDACTED : value]),
  );
}
