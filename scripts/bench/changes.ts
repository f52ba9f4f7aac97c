/** What backups and disposals take on btrfs, beside those of plain folders, and beside restic. */

import { join } from "@std/path";
import { canMountBtrfs, mountBtrfs } from "../../tests/fixtures/btrfs.ts";
import { AsideFolder } from "./aside_folder.ts";
import { type Phase, tools } from "./contenders.ts";
import { type Corpus, editSome } from "./corpora.ts";
import type { GoalResult } from "./goals.ts";
import { median } from "./measure.ts";
import { Ours } from "./ours.ts";

/** Medians, in seconds. */
export interface ChangesResult {
  readonly corpus: string;
  readonly rows: readonly {
    readonly what: string;
    readonly btrfs: number;
    /** The same in a plain folder of the same disk. */
    readonly plain: number;
    /** restic's backup of the tree on btrfs; absent where there is none to compare, or no restic. */
    readonly restic?: number;
  }[];
}

const GIB = 2 ** 30;
/** A round whose edits are those of no other. */
const WARM_UP = 99;
const PHASES = ["first", "nothing", "changed"] as const satisfies readonly Phase[];
const WORDS = {
  first: "first backup",
  nothing: "backup of nothing changed",
  changed: "backup of 1% changed",
  dispose: "disposal",
} as const;

/** How many times faster than restic a backup is to be. */
const GOALS = [["nothing", 100], ["changed", 25]] as const;

/** Returns `undefined` where no btrfs can be mounted. */
export async function measureChanges(
  corpus: Corpus,
  folder: string,
  rounds: number,
): Promise<ChangesResult | undefined> {
  if (!canMountBtrfs()) return undefined;
  using disk = mountBtrfs(24 * GIB);
  const aside = new AsideFolder(disk.path);
  using btrfs = new Ours(join(disk.path, "btrfs"), aside, navigator.hardwareConcurrency);
  using plain = new Ours(join(disk.path, "plain"), aside, navigator.hardwareConcurrency);
  const restic = tools({ folder, aside }).find(({ name }) => name === "restic");
  await btrfs.makeSubvolume();
  await Deno.mkdir(plain.place);
  const trees = [btrfs.place, plain.place];
  for (const tree of trees) await corpus.make(join(tree, "tree"));
  const times = new Times();
  // Once for nothing, so that both find compiled code.
  for (const one of [btrfs, plain]) {
    await one.begin();
    for (const phase of PHASES) {
      // The first look at a folder since it was filled changes its access time.
      if (phase === "changed") editSome(one.place, WARM_UP);
      await one.run(phase);
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const one of [btrfs, plain]) await one.begin();
    await restic?.begin(btrfs.place);
    for (const phase of PHASES) {
      if (phase === "changed") { for (const tree of trees) editSome(tree, round); }
      for (const [name, one] of Object.entries({ btrfs, plain, restic })) {
        if (!one) continue;
        await settle();
        times.add(`${phase} ${name}`, (await one.run(phase)).wall);
      }
    }
    times.add("dispose btrfs", await btrfs.disposeCopy("subvolume"));
    times.add("dispose plain", await plain.disposeCopy("plain"));
  }
  return { corpus: corpus.name, rows: times.rows(restic !== undefined) };
}

/** Has the disk catch up, so that nobody waits for what another has written. */
async function settle(): Promise<void> {
  await new Deno.Command("sync").output();
}

class Times {
  readonly #times = new Map<string, number[]>();

  add(what: string, seconds: number): void {
    const all = this.#times.get(what) ?? [];
    this.#times.set(what, [...all, seconds]);
  }

  rows(hasRestic: boolean): ChangesResult["rows"] {
    const of = (what: string) => median(this.#times.get(what)!);
    return [...PHASES, "dispose" as const].map((phase) => ({
      what: WORDS[phase],
      btrfs: of(`${phase} btrfs`),
      plain: of(`${phase} plain`),
      ...(hasRestic && phase !== "dispose" ? { restic: of(`${phase} restic`) } : {}),
    }));
  }
}

/** The rows of the report. */
export function changesRows({ rows }: ChangesResult): string[][] {
  const seconds = (value: number) => value.toFixed(3);
  return [
    ["on btrfs", "", "s", "plain s", "restic s", "restic / ours"],
    ...rows.map(({ what, btrfs, plain, restic }) => [
      what,
      "",
      seconds(btrfs),
      seconds(plain),
      restic === undefined ? "" : seconds(restic),
      restic === undefined ? "" : (restic / btrfs).toFixed(1),
    ]),
  ];
}

/** Checks how much faster than restic backups are. */
export function checkChanges({ corpus, rows }: ChangesResult): GoalResult[] {
  return GOALS.flatMap(([phase, bound]) => {
    const row = rows.find(({ what }) => what === WORDS[phase]);
    if (row?.restic === undefined) return [];
    const value = row.restic / row.btrfs;
    return [{
      corpus,
      goal: `${row.what} on btrfs, times faster than restic`,
      value,
      bound,
      sense: "at least" as const,
      met: value >= bound,
    }];
  });
}
