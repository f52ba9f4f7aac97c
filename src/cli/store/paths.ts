/** Reads paths in images as the commands take them. */

import type { Command } from "commander";
import { DaemonError } from "../../errors.ts";
import type { ImageEntry, ImageFiles } from "../../inspect/mod.ts";
import { printError } from "../io.ts";
import { parseName, showName } from "./object_names.ts";

/** Parses a path argument; ends with a usage error where it is malformed. */
export function pathOf(argument: string, command: Command): Uint8Array {
  const path = parseName(argument);
  if (!path) {
    command.error(
      `error: expected a path within the image, with odd bytes as \\xNN and "\\" as "\\\\": ` +
        `current value is ${JSON.stringify(argument)}`,
    );
  }
  return path;
}

/** Returns the entry at `path`. @throws {DaemonError} NOT_FOUND */
export function requireEntry(image: ImageFiles, path: Uint8Array, url: string): ImageEntry {
  const entry = image.tree.find(path);
  if (entry) return entry;
  throw new DaemonError("NOT_FOUND", `There is no ${showName(path)} in ${url}`);
}

/** Warns on stderr that an image is read without its index. */
export function warnOfIndex(error: DaemonError): void {
  printError(`warning: the layers are read, as the index cannot be: ${error.message}`);
}
