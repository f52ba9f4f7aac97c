/** The label of an image's config that says what was left out of it. */

import * as z from "zod";
import type { Excluded } from "../content/mod.ts";

const LABEL = "dev.wsdaemon.excluded";
const schema = z.object({
  version: z.literal(1),
  entries: z.int().positive(),
  examples: z.array(z.string()).max(100),
});

/** Returns the labels of a config that say what was left out; none for nothing. */
export function excludedLabels(excluded: Excluded | undefined): Record<string, string> {
  if (!excluded || excluded.entries === 0) return {};
  const { entries, examples } = excluded;
  return { [LABEL]: JSON.stringify({ version: 1, entries, examples }) };
}

/** Returns what labels say was left out; `undefined` for nothing, and for what is not understood. */
export function parseExcluded(labels: Readonly<Record<string, string>>): Excluded | undefined {
  try {
    const { entries, examples } = schema.parse(JSON.parse(labels[LABEL] ?? "null"));
    return { entries, examples };
  } catch {
    return undefined;
  }
}
