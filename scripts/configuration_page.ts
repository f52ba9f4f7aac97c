/**
 * Renders `docs/configuration.md` from the config's JSON Schema, so that the page can never say
 * anything but what the daemon accepts. Run through `deno task gen`.
 */

import { variableOf } from "../src/config/environment.ts";
import { configJsonSchema, type JsonSchema } from "../src/config/keys.ts";

/** The keywords of JSON Schema that the page shows. */
interface KeySchema extends JsonSchema {
  default?: unknown;
  enum?: unknown[];
  items?: KeySchema;
  minimum?: number;
  maximum?: number;
  pattern?: string;
  required?: string[];
}

interface Row {
  path: readonly string[];
  schema: KeySchema;
  isRequired: boolean;
}

const HEAD = `# Configuration

<!-- Written by \`deno task gen\` from src/config/schema.ts: edit the schema, not this page. -->

The config file is JSON with comments. \`wsdaemon run --config FILE\` reads it; flags win over the
environment, which wins over the file. An unknown key or a wrong type is refused, with the file's
line, the key's path and what was expected. Durations are strings such as \`"10m"\` or \`"1h30m"\`,
at most 24 days. A relative path in the file starts from the file's folder, elsewhere from the working
directory.

- \`wsdaemon config validate --config FILE\` checks a file before a restart, and that this machine has
  what it needs (\`--file-only\` where it is not the one to run on).
- \`wsdaemon config show --config FILE\` prints what flags, environment, file and defaults come to,
  secrets covered.
- \`wsdaemon config schema\` prints the JSON Schema, for editors and validators.

SIGHUP has the certificates and \`log\` read again; every other key takes effect at the next start.
`;

/** The whole page, as \`deno fmt\` would still have to format it. */
export function configurationPage(): string {
  const schema = configJsonSchema() as KeySchema;
  const entries = Object.entries(schema.properties ?? {}).filter(([key]) => !key.startsWith("$"));
  const plain = entries.filter(([, child]) => !isSection(child));
  const sections = entries.filter(([, child]) => isSection(child));
  const top = plain.map(([key, child]) => row([key], child, schema));
  return [
    HEAD,
    "## Top level\n",
    table(top),
    ...sections.flatMap(([key, child]) => section(key, child)),
  ].join("\n");
}

function isSection(schema: KeySchema): boolean {
  return schema.properties !== undefined || schema.oneOf !== undefined;
}

function section(name: string, schema: KeySchema): string[] {
  const parts = [`## \`${name}\`\n`, ...(schema.description ? [`${schema.description}.\n`] : [])];
  if (!schema.oneOf) return [...parts, table(rows([name], schema))];
  return [
    ...parts,
    ...schema.oneOf.flatMap((alternative) => {
      const kind = alternative.properties!.kind!;
      const rest = rows([name], alternative).filter(({ path }) => path.at(-1) !== "kind");
      return [
        `### \`"kind": "${kind.const}"\`\n`,
        `${kind.description}.\n`,
        ...(rest.length > 0 ? [table(rest)] : []),
      ];
    }),
  ];
}

function rows(path: readonly string[], schema: KeySchema): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, child]) =>
    isSection(child) ? rows([...path, key], child) : [row([...path, key], child, schema)]
  );
}

function row(path: readonly string[], schema: KeySchema, parent: KeySchema): Row {
  const isRequired = (parent.required ?? []).includes(path.at(-1)!) && schema.default === undefined;
  return { path, schema, isRequired };
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ path, schema, isRequired }) => {
    if (!schema.description) throw new Error(`The key ${path.join(".")} has no description`);
    const fallback = isRequired ? "required" : shown(schema.default);
    const cells = [
      `\`${path.join(".")}\``,
      typeOf(schema),
      fallback,
      schema.description,
      `\`${variableOf(path)}\``,
    ];
    return `| ${
      cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("<", "&lt;")).join(" | ")
    } |`;
  });
  return [
    "| key | type | default | meaning | variable |",
    "| --- | --- | --- | --- | --- |",
    ...lines,
    "",
  ].join("\n");
}

function shown(value: unknown): string {
  return value === undefined ? "" : `\`${JSON.stringify(value)}\``;
}

function typeOf(schema: KeySchema): string {
  if (schema.enum) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(", ");
  if (schema.type === "array") {
    return `array of ${schema.items?.enum ? typeOf(schema.items) : "strings"}`;
  }
  if (schema.type === "integer" && schema.maximum !== undefined) {
    return `integer, ${schema.minimum} to ${schema.maximum}`;
  }
  return schema.type ?? "string";
}
