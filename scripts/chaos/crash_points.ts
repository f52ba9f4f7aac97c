/** Chooses at which named step a daemon of a chaos run is killed. */

import { IN_FORCE, REACHED } from "./crash_points/points.ts";
import type { Random } from "./random.ts";
import { POINTS_OF, SourceCommand } from "./source_command.ts";

/** How many of the daemons are armed. */
const ARMED_SHARE = 0.9;
/** Steps after which something is true that was not before, some named twice: the most chosen ones. */
const COMMITS = [
  "journal.insert",
  "journal.remove",
  "journal.setState",
  "journal.setState",
  "store.putRef",
  "store.replaceRef",
  "worker.commitBaseline",
  "worker.create",
  "worker.publish",
  "worker.publish",
  "worker.trash",
];
/** How many of the armed daemons stop at one of those. */
const COMMITS_SHARE = 0.6;

/** The points of one node, and the daemon that carries them. */
export class CrashPoints {
  readonly #source: SourceCommand;
  readonly #random: Random;
  #methods: string[] = [];
  #isCalm = false;

  /** @param replaced modules that stand for others */
  constructor(folder: string, random: Random, replaced?: Readonly<Record<string, URL>>) {
    this.#source = new SourceCommand(folder, replaced);
    this.#random = random;
  }

  get command(): readonly [string, ...string[]] {
    return this.#source.command;
  }

  /** The point that a line of a daemon's log says was reached, and the daemon's process. */
  static reached(line: string): { point: string; pid: number } | undefined {
    if (!line.startsWith(REACHED)) return undefined;
    const [point = "", pid] = line.slice(REACHED.length).split(" ");
    return { point, pid: Number(pid) };
  }

  /** Learns from a daemon's log which points there are. @throws {Error} where a module has moved */
  started(log: string): void {
    const lines = log.split("\n").filter((line) => line.startsWith(IN_FORCE));
    const methods = new Set(lines.flatMap((line) => line.slice(IN_FORCE.length).split(" ")));
    for (const what of POINTS_OF) {
      if ([...methods].some((method) => method.startsWith(`${what}.`))) continue;
      throw new Error(`A daemon from source has no crash points of its ${what}: has that moved?`);
    }
    const unknown = COMMITS.filter((method) => !methods.has(method));
    if (unknown.length > 0) throw new Error(`There are no steps ${unknown.join(", ")} any more`);
    this.#methods = [...methods].toSorted();
  }

  /** Arms the daemon that starts next, or not. */
  armNext(): void {
    const random = this.#random;
    if (this.#isCalm || this.#methods.length === 0 || random.next() > ARMED_SHARE) {
      return this.#source.arm(undefined);
    }
    const method = random.pick(random.next() < COMMITS_SHARE ? COMMITS : this.#methods);
    const isUncaught = method.startsWith("worker.") && random.next() < 0.1;
    const moment = isUncaught ? "throw" : random.pick(["before", "after"]);
    this.#source.arm({
      point: `${method}.${moment}`,
      hit: random.whole(1, 2),
      linger: random.pick([0, 400, 400]),
    });
  }

  /** Arms nothing any more. */
  calm(): void {
    this.#isCalm = true;
    this.#source.arm(undefined);
  }
}
