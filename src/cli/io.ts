/** Output of commands: text, JSON, tables and bytes to the standard streams. */

import { OutputError } from "./failure.ts";

/** Writes a line to stdout. @throws {OutputError} */
export function printLine(line: string): void {
  printText(`${line}\n`);
}

/** Writes text to stdout. @throws {OutputError} */
export function printText(text: string): void {
  try {
    writeAll(Deno.stdout, text);
  } catch (error) {
    throw new OutputError(error);
  }
}

/** Writes a line to stderr. */
export function printError(line: string): void {
  printErrorText(`${line}\n`);
}

/** Writes text to stderr. A failure to write is ignored, since it cannot be reported anywhere. */
export function printErrorText(text: string): void {
  try {
    writeAll(Deno.stderr, text);
  } catch {
    // The disk is full, or the reader has closed stderr.
  }
}

/** Writes a value to stdout as JSON. */
export function printJson(value: unknown): void {
  printLine(JSON.stringify(value, null, 2));
}

/** Returns the rows as lines with aligned columns; the last column is not padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>((widest, row) => {
    row.forEach((cell, column) => widest[column] = Math.max(widest[column] ?? 0, cell.length));
    return widest;
  }, []);
  return rows.map((row) =>
    row.map((cell, column) => column === row.length - 1 ? cell : cell.padEnd(widths[column]! + 2))
      .join("")
  ).join("\n");
}

function writeAll(stream: typeof Deno.stdout, text: string): void {
  for (let rest = new TextEncoder().encode(text); rest.length > 0;) {
    rest = rest.subarray(stream.writeSync(rest));
  }
}

/** Writes bytes to an open file or to stdout, whole. @throws {OutputError} where it is stdout */
export async function writeBytes(
  to: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  try {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await to.write(rest));
  } catch (error) {
    throw to === Deno.stdout ? new OutputError(error) : error;
  }
}
