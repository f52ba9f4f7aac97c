/** The config's keys, read off its JSON Schema. */

import { z } from "zod";
import { isObject, type KeyPath, valueAt } from "./config_source.ts";
import { configSchema } from "./schema.ts";

/** The parts of JSON Schema that the config's schema uses. */
export interface JsonSchema {
  type?: string;
  format?: string;
  description?: string;
  properties?: Record<string, JsonSchema>;
  oneOf?: JsonSchema[];
  const?: unknown;
}

let schema: JsonSchema | undefined;

/** Returns the JSON Schema of the config file. */
export function configJsonSchema(): JsonSchema {
  schema ??= z.toJSONSchema(configSchema, { io: "input" }) as JsonSchema;
  return schema;
}

/** A key that holds a value and not further keys. */
export interface Leaf {
  path: readonly string[];
  type: string;
  format?: string;
}

/** Returns every leaf below `node`; one that several alternatives share is named once. */
export function leaves(node: JsonSchema, path: readonly string[] = []): Leaf[] {
  const found = new Map<string, Leaf>();
  const below = node.oneOf?.flatMap((alternative) => leaves(alternative, path)) ??
    Object.entries(node.properties ?? {}).flatMap(([key, child]) => leaves(child, [...path, key]));
  for (const leaf of below) found.set(leaf.path.join("."), leaf);
  if (found.size > 0) return [...found.values()];
  if (path.length === 0 || node.type === "object") return [];
  const { type = "string", format } = node;
  return [{ path, type, ...(format === undefined ? {} : { format }) }];
}

/** Returns the keys that may stand in the object at `path`; `values` decides between alternatives. */
export function keysAt(root: JsonSchema, path: KeyPath, values: unknown): string[] {
  let node: JsonSchema | undefined = root;
  path.forEach((part, depth) => {
    node = choose(node, valueAt(values, path.slice(0, depth)))?.properties?.[part];
  });
  return Object.keys(choose(node, valueAt(values, path))?.properties ?? {});
}

function choose(node: JsonSchema | undefined, value: unknown): JsonSchema | undefined {
  const kind = isObject(value) ? value.kind : undefined;
  return node?.oneOf?.find((alternative) => alternative.properties?.kind?.const === kind) ?? node;
}
