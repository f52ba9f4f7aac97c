/** The work of one part: items of its own, and those that it shares with the other parts. */

import type { SharedPackState, WorkItem } from "./shared_state.ts";

/**
 * Work that one Worker does alone before it asks for help, which costs the other Workers' time and
 * each of them a layer: entries looked at, and bytes read.
 */
const HELP_ENTRIES = 512;
const HELP_BYTES = 4 << 20;

/** Options of a {@link PartQueue}. */
export interface PartQueueOptions {
  readonly shared: SharedPackState;
  /** The number of parts of the pack. */
  readonly parts: number;
  /** Whether this part may ask for help: it is the first of several. */
  readonly mayAskForHelp: boolean;
  /** Called once, when there is work for the other parts. */
  onHelp(): void;
  /** Returns how much this part has done: entries looked at, bytes read. */
  progress(): { readonly entries: number; readonly bytesRead: number };
}

/**
 * Keeps items on a stack, so that a part goes down its own part of the tree, and gives the other
 * parts items when the shared queue runs low.
 */
export class PartQueue {
  readonly #options: PartQueueOptions;
  /** Items that this part keeps; those before {@link #start} were given away. */
  readonly #own: WorkItem[] = [];
  #start = 0;
  /** Whether the other parts were asked for, or cannot be. */
  #hasHelp: boolean;

  constructor(options: PartQueueOptions) {
    this.#options = options;
    this.#hasHelp = !options.mayAskForHelp;
  }

  /** Adds a new item. */
  add(item: WorkItem): void {
    const { shared } = this.#options;
    shared.announce();
    // A large file is worth a Worker of its own at once, and so is a segment of one.
    if (item.kind !== "directory") {
      this.#askForHelp();
      if (shared.offer(item)) return;
    }
    this.#own.push(item);
  }

  /** Takes the next item: the last of its own, else a shared one. */
  next(): WorkItem | undefined {
    this.share();
    if (this.#own.length > this.#start) return this.#own.pop();
    this.#own.length = this.#start = 0;
    return this.#options.shared.take();
  }

  /**
   * Offers the other parts the directories that were found first: they are the highest in the tree.
   */
  share(): void {
    const { shared, parts } = this.#options;
    if (!this.#hasMore()) return;
    if (!this.#hasHelp) {
      const { entries, bytesRead } = this.#options.progress();
      if (entries >= HELP_ENTRIES || bytesRead >= HELP_BYTES) this.#askForHelp();
    }
    while (
      parts > 1 && this.#hasHelp && this.#hasMore() && shared.isRunningLow(parts) &&
      shared.offer(this.#own[this.#start]!)
    ) this.#start++;
  }

  /** Returns whether there are items besides the one that this part does next. */
  #hasMore(): boolean {
    return this.#own.length - this.#start > 1;
  }

  #askForHelp(): void {
    if (this.#hasHelp) return;
    this.#hasHelp = true;
    this.#options.onHelp();
  }
}
