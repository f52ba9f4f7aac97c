/** Keeps a node from filling up: no new workspaces below one watermark, not ready below another. */

import { resolvesWithin } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config/mod.ts";
import { type DiskSpace, readDiskSpace, readDiskSpaceSync, shortage } from "../disk_space.ts";
import { DaemonError, reasonOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";

const log = logger("daemon");

/** Milliseconds that a file system may take to say how full it is; one that is out of reach never does. */
const ANSWER_TIME_MS = 2_000;

/** What is watched: the root, and the embedded store's folder where there is one. */
export interface DiskAreas {
  root: string;
  store?: string;
}

/** Asks the file systems of the root and the embedded store how full they are. */
export class DiskWatch {
  readonly #areas: DiskAreas;
  readonly #limits: Config["disk"];
  readonly #clock: Clock;
  readonly #readSpace: typeof readDiskSpace;
  /** Reads under way, by path: one that hangs is joined, since each takes a thread. */
  readonly #reads = new Map<string, Promise<DiskSpace>>();
  /** What was last known of the store's folder. */
  #store: DiskSpace | undefined;

  /** @param readSpace asks the kernel about one path */
  constructor(
    areas: DiskAreas,
    limits: Config["disk"],
    clock: Clock,
    readSpace: typeof readDiskSpace = readDiskSpace,
  ) {
    this.#areas = areas;
    this.#limits = limits;
    this.#clock = clock;
    this.#readSpace = readSpace;
  }

  /** Serves free and used bytes and inodes, read when somebody scrapes. */
  serve(metrics: Metrics): void {
    const serve = (name: string, help: string, valueOf: (space: DiskSpace) => number) =>
      metrics.observedGauges(
        `wsdaemon_disk_${name}`,
        help,
        ["area"],
        async () =>
          (await this.read()).map(([area, space]) => ({
            labels: { area },
            value: valueOf(space),
          })),
      );
    serve("free_bytes", "Bytes free to everybody", ({ free }) => free);
    serve("size_bytes", "Bytes of the file system", ({ size }) => size);
    serve(
      "free_inodes",
      "Free inodes; 0 of 0 without a limit",
      (space) => space.freeInodes,
    );
    serve("inodes", "Inodes of the file system", ({ inodes }) => inodes);
  }

  /**
   * Returns where there is room for another workspace, or where that cannot be told. Of the root it is
   * asked now; of the store, which may be on a file system that does not answer, it is what was last
   * known.
   * @throws {DaemonError} RESOURCE_EXHAUSTED with the file system, how full it is and what to do
   */
  checkInit(): void {
    const percent = this.#limits.initPercent;
    if (percent === 0) return;
    const spaces = [this.#readRoot(), this.#store].filter((space) => space !== undefined);
    const problem = firstShortage(spaces, percent);
    if (problem === undefined) return;
    throw new DaemonError(
      "RESOURCE_EXHAUSTED",
      `This node takes no new workspaces, so that those that are here can be saved: ${problem}`,
      { reason: "NODE_OUT_OF_SPACE" },
    );
  }

  /** Resolves to why the node should get no work; `undefined` where it has room. */
  async readinessProblem(): Promise<string | undefined> {
    const percent = this.#limits.readyPercent;
    if (percent === 0) return undefined;
    return firstShortage((await this.read()).map(([, space]) => space), percent);
  }

  #readRoot(): DiskSpace | undefined {
    const { root } = this.#areas;
    try {
      return readDiskSpaceSync(root);
    } catch (error) {
      reportUnreadable(root, error);
      return undefined;
    }
  }

  /** Returns how full the file systems are that answer in time, by what is on them; the root's first. */
  async read(): Promise<(readonly [area: string, space: DiskSpace])[]> {
    const areas = Object.entries(this.#areas);
    const read = new Map<string, DiskSpace>();
    const all = areas.map(async ([area, path]) => {
      try {
        const space = await this.#joinRead(path);
        read.set(area, space);
        if (path === this.#areas.store) this.#store = space;
      } catch (error) {
        reportUnreadable(path, error);
      }
    });
    await resolvesWithin(Promise.all(all), ANSWER_TIME_MS, this.#clock);
    return areas.flatMap(([area]) => {
      const space = read.get(area);
      return space ? [[area, space] as const] : [];
    });
  }

  #joinRead(path: string): Promise<DiskSpace> {
    const running = this.#reads.get(path);
    if (running) return running;
    const begun = this.#readSpace(path).finally(() => this.#reads.delete(path));
    this.#reads.set(path, begun);
    return begun;
  }
}

function firstShortage(spaces: readonly DiskSpace[], percent: number): string | undefined {
  return spaces.map((space) => shortage(space, percent)).find((problem) => problem !== undefined);
}

function reportUnreadable(path: string, error: unknown): void {
  log.warn("Cannot tell how full {path} is: {reason}", { path, reason: reasonOf(error) });
}
