/** What backups of one large random file take and store, as chunks, beside restic's and a layer's. */

import { join } from "@std/path";
import { AsideFolder } from "./aside_folder.ts";
import { type Phase, tools } from "./contenders.ts";
import type { GoalResult } from "./goals.ts";
import { median } from "./measure.ts";
import { Ours } from "./ours.ts";

/** Medians: seconds, and bytes that the store has grown by. */
export interface ChunksResult {
  readonly corpus: string;
  readonly rows: readonly {
    readonly what: string;
    readonly ours: Cost;
    /** Absent without restic. */
    readonly restic?: Cost;
    /** As a layer, which is what a first backup was before there were chunks. */
    readonly layer?: Cost;
  }[];
}

interface Cost {
  readonly seconds: number;
  readonly cpu: number;
  readonly bytes: number;
}

const MIB = 2 ** 20;
const EDITS = 40;
const CHUNK_MIN_BYTES = 8 * MIB;
const STEPS = [
  { name: "first", what: "first backup", phase: "first" },
  { name: "changed", what: "1% changed in 40 places", phase: "changed" },
  { name: "inserted", what: "1 MiB inserted at the front", phase: "changed" },
] as const satisfies readonly { name: string; what: string; phase: Phase }[];

/** @param bytes of the file */
export async function measureChunks(
  bytes: number,
  folder: string,
  rounds: number,
): Promise<ChunksResult> {
  const aside = new AsideFolder(folder);
  using ours = new Ours(join(folder, "chunks"), aside, navigator.hardwareConcurrency);
  const restic = tools({ folder, aside }).find(({ name }) => name === "restic");
  await Deno.mkdir(ours.place);
  const file = join(ours.place, "disk");
  const costs = new Costs();
  for (let round = 0; round < rounds; round++) {
    await writeRandom(file, bytes);
    await settle(file);
    await ours.begin();
    costs.add("first layer", await cost(ours, "first"));
    await ours.begin(ours.place, { chunkMinBytes: CHUNK_MIN_BYTES });
    await restic?.begin(ours.place);
    for (const { name, phase } of STEPS) {
      if (name === "changed") await change(file, bytes);
      if (name === "inserted") await insert(file);
      for (const [who, one] of Object.entries({ ours, restic })) {
        if (!one) continue;
        await settle(file);
        costs.add(`${name} ${who}`, await cost(one, phase));
      }
    }
  }
  return { corpus: `${(bytes / MIB).toFixed(0)} MiB file`, rows: costs.rows() };
}

async function cost(
  contender: Pick<Ours, "run" | "stored">,
  phase: Phase,
): Promise<Cost> {
  const before = contender.stored();
  const { wall, cpu } = await contender.run(phase);
  return { seconds: wall, cpu, bytes: contender.stored() - before };
}

/** Has the disk catch up, and the page cache hold the file. */
async function settle(file: string): Promise<void> {
  await new Deno.Command("sync").output();
  await new Deno.Command("cat", { args: [file], stdout: "null" }).output();
}

async function writeRandom(file: string, bytes: number): Promise<void> {
  using to = await Deno.open(file, { write: true, create: true, truncate: true });
  for (let at = 0; at < bytes; at += MIB) await to.write(random(MIB));
}

/** Changes 1% of the file, in places that are evenly spread. */
async function change(file: string, bytes: number): Promise<void> {
  using to = await Deno.open(file, { write: true });
  const size = Math.floor(bytes / 100 / EDITS);
  for (let n = 0; n < EDITS; n++) {
    await to.seek(Math.floor((n + 0.5) * bytes / EDITS), Deno.SeekMode.Start);
    for (let left = size; left > 0; left -= MIB) await to.write(random(Math.min(MIB, left)));
  }
}

async function insert(file: string): Promise<void> {
  const script =
    `head -c ${MIB} /dev/urandom > "$F.new" && cat "$F" >> "$F.new" && mv "$F.new" "$F"`;
  await new Deno.Command("bash", { args: ["-c", script], env: { F: file } }).output();
}

function random(bytes: number): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65_536) {
    crypto.getRandomValues(block.subarray(at, at + 65_536));
  }
  return block;
}

class Costs {
  readonly #costs = new Map<string, Cost[]>();

  add(what: string, cost: Cost): void {
    this.#costs.set(what, [...this.#costs.get(what) ?? [], cost]);
  }

  rows(): ChunksResult["rows"] {
    return STEPS.map(({ name, what }) => {
      const [restic, layer] = [this.#median(`${name} restic`), this.#median(`${name} layer`)];
      return {
        what,
        ours: this.#median(`${name} ours`)!,
        ...(restic ? { restic } : {}),
        ...(layer ? { layer } : {}),
      };
    });
  }

  #median(what: string): Cost | undefined {
    const costs = this.#costs.get(what);
    if (!costs) return undefined;
    const of = (key: keyof Cost) => median(costs.map((cost) => cost[key]));
    return { seconds: of("seconds"), cpu: of("cpu"), bytes: of("bytes") };
  }
}

/** The rows of the report. */
export function chunksRows({ corpus, rows }: ChunksResult): string[][] {
  const cells = (cost: Cost | undefined) =>
    cost
      ? [cost.seconds.toFixed(2), cost.cpu.toFixed(2), (cost.bytes / MIB).toFixed(1)]
      : ["", "", ""];
  return [
    [`a random ${corpus}`, "", "s", "cpu s", "MiB", "restic s", "cpu s", "MiB", "layer s", "cpu s"],
    ...rows.map(({ what, ours, restic, layer }) => [
      what,
      "",
      ...cells(ours),
      ...cells(restic),
      ...cells(layer).slice(0, 2),
    ]),
  ];
}

/** Checks what large files as chunks are for. */
export function checkChunks({ corpus, rows }: ChunksResult): GoalResult[] {
  const goals: GoalResult[] = [];
  const add = (goal: string, value: number, bound: number) =>
    goals.push({ corpus, goal, value, bound, sense: "at most", met: value <= bound });
  for (const { what, ours, restic, layer } of rows) {
    if (layer) add(`${what}, of the same as a layer`, ours.seconds / layer.seconds, 1.15);
    if (!restic || layer) continue;
    add(`${what}: time, of restic's`, ours.seconds / restic.seconds, 0.5);
    add(`${what}: stored, of restic's`, ours.bytes / restic.bytes, 1.3);
  }
  return goals;
}
