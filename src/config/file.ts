/** The config file: JSON with comments and trailing commas. */

import { findNodeAtLocation, type Node, type ParseError, parseTree } from "jsonc-parser";
import { getNodeValue, printParseErrorCode } from "jsonc-parser";
import { ConfigError, explainPath } from "../errors.ts";
import { type ConfigSource, isObject } from "./config_source.ts";

/** Reads the settings of the file at `path`. @throws {ConfigError} where it cannot be read or parsed. */
export function readConfigFile(path: string): ConfigSource {
  return parseConfig(readText(path), path);
}

/** Parses the settings in `text`; `name` is what problems are preceded by. @throws {ConfigError} */
export function parseConfig(text: string, name: string): ConfigSource {
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { allowTrailingComma: true });
  const at = (offset: number) => `${name}:${position(text, offset)}`;
  if (text.trim() === "") throw new ConfigError([`${name} is empty; an empty config is {}`]);
  if (errors.length > 0) {
    throw new ConfigError(
      errors.slice(0, 1).map(({ error, offset }) => `${at(offset)}: ${phrase(error)}`),
    );
  }
  const values: unknown = tree ? getNodeValue(tree) : undefined;
  if (!tree || !isObject(values)) throw new ConfigError([`${at(0)}: expected a JSON object`]);
  refuseDuplicates(tree, at);
  return {
    values,
    locate(path) {
      const node = findNodeAtLocation(tree, [...path]);
      return node ? at((keyOf(node) ?? node).offset) : name;
    },
  };
}

function readText(path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Deno.readFileSync(path));
  } catch (error) {
    const reason = error instanceof TypeError
      ? "it is not UTF-8 text; name a file of JSON"
      : explainPath(error, path);
    throw new ConfigError([`Cannot read the config file ${path}: ${reason}`]);
  }
}

/** Refuses a key that an object has twice: of two, JSON takes the last and hides the other. */
function refuseDuplicates(tree: Node, at: (offset: number) => string): void {
  const seen = new Set<string>();
  for (const child of tree.children ?? []) {
    const key = tree.type === "object" ? child.children?.[0] : undefined;
    if (key) {
      if (seen.has(key.value)) {
        throw new ConfigError([
          `${at(key.offset)}: the key ${JSON.stringify(key.value)} is twice in one object`,
        ]);
      }
      seen.add(key.value);
    }
    refuseDuplicates(child, at);
  }
}

function keyOf(node: Node): Node | undefined {
  return node.parent?.type === "property" ? node.parent.children?.[0] : undefined;
}

function phrase(error: number): string {
  const words = printParseErrorCode(error).replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
  return `not valid JSON: ${words}`;
}

/** Returns `line:column` of an offset, both counted from 1. */
function position(text: string, offset: number): string {
  const before = text.slice(0, offset).split("\n");
  return `${before.length}:${before.at(-1)!.length + 1}`;
}
