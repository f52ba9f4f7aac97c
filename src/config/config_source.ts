/** Where settings come from: flags, the environment, a file; and how they are laid over each other. */

/** A key's path in the config, such as `["storage", "kind"]`. */
export type KeyPath = readonly (string | number)[];

/** Settings of one origin, in the file's form. */
export interface ConfigSource {
  values: Readonly<Record<string, unknown>>;
  /** How a person finds the value at `path`: a flag, a variable, `file:line:column`. */
  locate(path: KeyPath): string;
}

/** Returns whether `value` is a JSON object, which arrays and null are not. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns `path` as people write it: `git.timeout`, `listen[0]`. */
export function formatPath(path: KeyPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? part : `${text}.${part}`;
  }, "");
}

/** Returns the value at `path`; `undefined` where there is none. */
export function valueAt(values: unknown, path: KeyPath): unknown {
  let value = values;
  for (const part of path) {
    if (Array.isArray(value) && typeof part === "number") value = value[part];
    else if (isObject(value) && Object.hasOwn(value, part)) value = value[part];
    else return undefined;
  }
  return value;
}

/** Sets the value at `path`, making the objects on the way. */
export function setAt(values: Record<string, unknown>, path: readonly string[], value: unknown) {
  let at = values;
  for (const key of path.slice(0, -1)) {
    const next = at[key];
    at = isObject(next) ? next : (at[key] = {});
  }
  at[path.at(-1)!] = value;
}

/**
 * Returns `over` laid over `under`: objects key by key, everything else as a whole. A `kind` that differs
 * replaces its whole object, since the other kind's keys mean nothing to it.
 */
export function merge(
  under: Readonly<Record<string, unknown>>,
  over: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  if (over.kind !== undefined && under.kind !== undefined && over.kind !== under.kind) {
    return { ...over };
  }
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isObject(below) && isObject(value) ? merge(below, value) : value;
  }
  return merged;
}

/** Returns where `path` was set, or else the nearest object around it: in the topmost of `sources` with it. */
export function originOf(sources: readonly ConfigSource[], path: KeyPath): string | undefined {
  for (let length = path.length; length > 0; length--) {
    const part = path.slice(0, length);
    const source = sources.findLast((candidate) => valueAt(candidate.values, part) !== undefined);
    if (source) return source.locate(part);
  }
  return undefined;
}
