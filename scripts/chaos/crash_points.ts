/** Chooses at which named step a daemon of a chaos run is killed. */

import { IN_FORCE, REACHED } from "./crash_points/points.ts";
import type { Random } from "./random.ts";
import { POINTS_OF, SourceCommand } from "./source_command.ts";

/** How many daemons of ten are armed. */
const ARMED_SHARE = 0.7;
/** Steps that come in nearly every life of a workspace are chosen more often. */
const COMMON =
  /^(?:store\.(?:put|getRef|hasBlob)|journal\.|worker\.(?:create|publish|trash|commit|pack|restore))/;

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
    this.#methods = [...methods].toSorted();
  }

  /** Arms the daemon that starts next, or not. */
  armNext(): void {
    const random = this.#random;
    if (this.#isCalm || this.#methods.length === 0 || random.next() > ARMED_SHARE) {
      return this.#source.arm(undefined);
    }
    const common = this.#methods.filter((method) => COMMON.test(method));
    const method = random.pick(random.next() < 0.7 ? common : this.#methods);
    const isUncaught = method.startsWith("worker.") && random.next() < 0.1;
    const moment = isUncaught ? "throw" : random.pick(["before", "after"]);
    this.#source.arm({
      point: `${method}.${moment}`,
      hit: random.whole(1, 3),
      linger: random.pick([0, 400]),
    });
  }

  /** Arms nothing any more. */
  calm(): void {
    this.#isCalm = true;
    this.#source.arm(undefined);
  }
}
