/** Draws a progress bar on stderr where that is a terminal, and nothing elsewhere. */

import { printErrorText } from "./io.ts";
import { bar, terminalSize } from "./terminal.ts";

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
    printErrorText(ERASE + progressLine(line).slice(0, terminalSize().columns - 1));
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
  return fraction === undefined
    ? `${doing}  ${detail}`
    : `${doing} ${bar(fraction, BAR)}  ${detail}`;
}
