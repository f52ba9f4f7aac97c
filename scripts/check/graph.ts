/** Circles in a directed graph. */

/** What each node leads to, and by which arrow. */
export type Arrows = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** A shortest circle through some node. */
export interface Circle {
  /** In order; the last leads to the first. */
  nodes: string[];
  /** The arrows between them, in words. */
  steps: string[];
}

/** Returns the shortest circle through each node that is on one, each circle once. */
export function circles(arrows: Arrows): Circle[] {
  const reported = new Set<string>();
  return [...arrows.keys()].flatMap((start) => {
    const nodes = wayAround(start, arrows);
    const name = nodes?.toSorted().join();
    if (!nodes || name === undefined || reported.has(name)) return [];
    reported.add(name);
    const steps = nodes.map((from, index) =>
      arrows.get(from)!.get(nodes[(index + 1) % nodes.length]!)!
    );
    return [{ nodes, steps }];
  });
}

function wayAround(start: string, arrows: Arrows): string[] | undefined {
  const queue: string[][] = [[start]];
  const seen = new Set<string>();
  for (let way = queue.shift(); way; way = queue.shift()) {
    for (const next of arrows.get(way.at(-1)!)?.keys() ?? []) {
      if (next === start) return way;
      if (!seen.has(next)) queue.push([...way, next]);
      seen.add(next);
    }
  }
  return undefined;
}
