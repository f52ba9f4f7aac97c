/** The size of the terminal, and what is drawn on it. */

/** The size of a terminal in characters. */
export interface Size {
  columns: number;
  rows: number;
}

/** Taken for what is not known of a terminal's size. */
const USUAL: Size = { columns: 80, rows: 24 };

/**
 * Returns the size of the terminal. What cannot be found out, or is 0 (a serial line, a pseudo-terminal
 * whose size nobody has set), is taken to be as usual.
 * @param read asks the terminal
 */
export function terminalSize(read: () => Size = Deno.consoleSize): Size {
  try {
    const { columns, rows } = read();
    return { columns: columns || USUAL.columns, rows: rows || USUAL.rows };
  } catch {
    return USUAL;
  }
}

/**
 * Returns a bar and its percentage, rounded down: nothing is whole before its end.
 * @param fraction how much is done; anything beyond 0 to 1 counts as the nearer of them
 * @param width characters of the bar
 */
export function bar(fraction: number, width: number): string {
  const part = Math.min(Math.max(fraction, 0), 1);
  const filled = Math.floor(part * width);
  const percent = `${Math.floor(part * 100)}%`.padStart(4);
  return `[${"#".repeat(filled)}${"-".repeat(width - filled)}] ${percent}`;
}
