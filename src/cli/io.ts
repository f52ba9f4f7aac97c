/** Standard streams, and what a command needs of the world around it. */

/** Writes a line to stdout. */
export function printLine(line: string): void {
  writeAll(Deno.stdout, `${line}\n`);
}

/** Writes a line to stderr. */
export function printError(line: string): void {
  writeAll(Deno.stderr, `${line}\n`);
}

/** Writes a value to stdout as JSON. */
export function printJson(value: unknown): void {
  printLine(JSON.stringify(value, null, 2));
}

/** Lines with their columns aligned; the last column is not padded. */
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

/** Writes text to a standard stream, whole. */
export function writeAll(stream: typeof Deno.stdout, text: string): void {
  for (let rest = new TextEncoder().encode(text); rest.length > 0;) {
    rest = rest.subarray(stream.writeSync(rest));
  }
}

/** Writes bytes to an open file or a standard stream, whole. */
export async function writeBytes(
  to: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await to.write(rest));
}
