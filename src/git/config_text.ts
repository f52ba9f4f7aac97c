/** Formats and parses Git's config (git-config(1), "CONFIGURATION FILE"). */

/** A variable: `section.key` or `section.subsection.key`, and its value. */
export type ConfigEntry = readonly [key: string, value: string];

const SECTION = /^[A-Za-z0-9.-]+$/;
const KEY = /^[A-Za-z][A-Za-z0-9-]*$/;

interface Name {
  section: string;
  subsection?: string;
  key: string;
}

/**
 * Returns what is wrong with a variable's name or value, as text to follow its name; `undefined` where
 * nothing is.
 */
export function problemOf([name, value]: ConfigEntry): string | undefined {
  const parts = split(name);
  if (!parts) return "is not a Git config variable (section.key or section.subsection.key)";
  return value.includes("\0") ? "must not contain a NUL character" : undefined;
}

/** Returns a variable's name with section and key, of which Git ignores the case, in lower case. */
export function canonicalName(name: string): string {
  const parts = split(name);
  if (!parts) return name;
  const { section, subsection, key } = parts;
  return [
    section.toLowerCase(),
    ...(subsection === undefined ? [] : [subsection]),
    key.toLowerCase(),
  ]
    .join(".");
}

/** Formats entries as text to append to a config file. @throws {TypeError} for a name that is none */
export function formatConfig(entries: readonly ConfigEntry[]): string {
  return entries.map(([name, value]) => {
    const parts = split(name);
    if (!parts) throw new TypeError(`Not a config variable: ${JSON.stringify(name)}`);
    const { section, subsection, key } = parts;
    const header = subsection === undefined
      ? section
      : `${section} "${subsection.replace(/[\\"]/g, "\\$&")}"`;
    return `[${header}]\n\t${key} = ${quote(value)}\n`;
  }).join("");
}

/** Parses what `git config --list --null` prints. */
export function parseConfigList(text: string): ConfigEntry[] {
  return text.split("\0").filter((entry) => entry !== "").map((entry) => {
    const end = entry.indexOf("\n");
    // A variable without "=" is a true boolean.
    return end < 0 ? [entry, "true"] : [entry.slice(0, end), entry.slice(end + 1)];
  });
}

function split(name: string): Name | undefined {
  const first = name.indexOf(".");
  const last = name.lastIndexOf(".");
  if (first < 0) return undefined;
  const section = name.slice(0, first);
  const key = name.slice(last + 1);
  if (!SECTION.test(section) || !KEY.test(key)) return undefined;
  if (first === last) return { section, key };
  const subsection = name.slice(first + 1, last);
  return /[\n\0]/.test(subsection) ? undefined : { section, subsection, key };
}

function quote(value: string): string {
  const escaped = value.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n").replaceAll("\t", "\\t");
  return `"${escaped.replaceAll("\b", "\\b")}"`;
}
