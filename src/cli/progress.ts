/** Draws a progress bar on stderr where that is a terminal, and nothing elsewhere. */

import { printErrorText } from "./io.ts";

/** Milliseconds between two drawings. */
const INTERVAL = 100;
/** Characters of the bar. */
const BAR = 24;
const ERASE = "\r\x1b[K";

/** A line on stderr that is redrawn in place; disposing of it erases the line. */
export class Progress implements Disposable {
  readonly #isShown: boolean;
  #drawnAt = -Infinity;
  #isDrawn = false;

  constructor(isShown: boolean = Deno.stderr.isTerminal()) {
    this.#isShown = isShown;
  }

  /** Draws the progress, at most once every {@link INTERVAL}. */
  update(line: ProgressLine): void {
    if (!this.#isShown || performance.now() - this.#drawnAt < INTERVAL) return;
    this.#drawnAt = performance.now();
    this.#isDrawn = true;
    printErrorText(ERASE + progressLine(line).slice(0, columns() - 1));
  }

  [Symbol.dispose](): void {
    if (this.#isDrawn) printErrorText(ERASE);
    this.#isDrawn = false;
  }
}

/** The progress of a command. */
export interface ProgressLine {
  /** The activity, as a participle. */
  doing: string;
  /** From 0 to 1; absent where the total is not known. */
  fraction?: number;
  /** How much is done, in words. */
  detail: string;
}

/** Returns the progress as one line: activity, bar, percentage, detail. */
export function progressLine({ doing, fraction, detail }: ProgressLine): string {
  if (fraction === undefined) return `${doing}  ${detail}`;
  const part = Math.min(Math.max(fraction, 0), 1);
  const filled = Math.round(part * BAR);
  const percent = `${Math.floor(part * 100)}%`.padStart(4);
  return `${doing} [${"#".repeat(filled)}${"-".repeat(BAR - filled)}] ${percent}  ${detail}`;
}

/** Returns the width of the terminal, or 80 where there is none. */
function columns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}
