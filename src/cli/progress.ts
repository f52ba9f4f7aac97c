/** A progress bar on stderr, where that is a terminal; nothing at all elsewhere. */

import { printErrorText } from "./io.ts";

/** Milliseconds between two drawings. */
const INTERVAL = 100;
const BAR = 24;
const ERASE = "\r\x1b[K";

/** Draws over its own line until it is disposed of, which erases it. */
export class Progress implements Disposable {
  readonly #isShown: boolean;
  #drawnAt = -Infinity;
  #isDrawn = false;

  constructor(isShown: boolean = Deno.stderr.isTerminal()) {
    this.#isShown = isShown;
  }

  /** Draws how far things are; not more often than anybody can see. */
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

export interface ProgressLine {
  doing: string;
  /** From 0 to 1; absent where nobody knows how much there is to do. */
  fraction?: number;
  /** What is done, in words. */
  detail: string;
}

/** One line: what is done, a bar, and how much. */
export function progressLine({ doing, fraction, detail }: ProgressLine): string {
  if (fraction === undefined) return `${doing}  ${detail}`;
  const part = Math.min(Math.max(fraction, 0), 1);
  const filled = Math.round(part * BAR);
  const percent = `${Math.floor(part * 100)}%`.padStart(4);
  return `${doing} [${"#".repeat(filled)}${"-".repeat(BAR - filled)}] ${percent}  ${detail}`;
}

function columns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}
