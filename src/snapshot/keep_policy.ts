/**
 * Policies of what is kept of a history, with the words and the meaning that restic has for them:
 *
 * - `last`, `hourly`, `daily`, `weekly` and `monthly` keep so many images: the newest one of each hour,
 *   day, ISO week or month, newest first. Periods without an image do not count. Where a rule has not
 *   found as many by the end, it keeps the oldest image too, so that the history stays long.
 * - `within` keeps everything that is newer than a span before the newest image, of those that are not
 *   in the future.
 * - An image stays if any rule keeps it.
 *
 * `last` goes by the order in which images were saved, which a clock that was set does not change. The other
 * rules go by the times that images have.
 *
 * Hours, days, weeks and months are those of UTC; restic has those of the time zone that an image was
 * made in.
 */

/** A span of calendar time. */
export interface CalendarSpan {
  readonly years: number;
  readonly months: number;
  readonly days: number;
  readonly hours: number;
}

/** What is kept; rules that are absent keep nothing. */
export interface KeepPolicy {
  readonly last?: number | undefined;
  readonly within?: CalendarSpan | undefined;
  readonly hourly?: number | undefined;
  readonly daily?: number | undefined;
  readonly weekly?: number | undefined;
  readonly monthly?: number | undefined;
}

/** An image that has a time; milliseconds since the epoch. */
interface Dated {
  readonly createdAt: number;
}

/** One counted rule while a policy is applied. */
interface Counted {
  readonly name: string;
  readonly periodOf: (time: Date) => number;
  left: number;
  period: number | undefined;
}

const PERIODS: Readonly<
  Record<"hourly" | "daily" | "weekly" | "monthly", Counted["periodOf"]>
> = {
  hourly: (time) => Math.floor(time.getTime() / 3600_000),
  daily: (time) => Math.floor(time.getTime() / 86_400_000),
  weekly: isoWeek,
  monthly: (time) => time.getUTCFullYear() * 12 + time.getUTCMonth(),
};

/** Returns whether a policy keeps anything at all. */
export function keepsSomething({ within, ...counts }: KeepPolicy): boolean {
  return (within !== undefined && Object.values(within).some((part) => part > 0)) ||
    Object.values(counts).some((count) => (count ?? 0) > 0);
}

/**
 * Returns what a policy keeps of images, each with the rules that keep it; whatever is not in the answer is
 * let go.
 * @param images as they were saved, the newest first
 * @param now milliseconds since the epoch
 */
export function applyKeepPolicy<Image extends Dated>(
  images: readonly Image[],
  policy: KeepPolicy,
  now: number,
): Map<Image, string[]> {
  const newestFirst = images.toSorted((a, b) => b.createdAt - a.createdAt);
  const begin = policy.within && beginOf(policy.within, newestFirst, now);
  const counted = Object.entries(PERIODS).map(([name, periodOf]): Counted => ({
    name,
    periodOf,
    left: policy[name as keyof typeof PERIODS] ?? 0,
    period: undefined,
  }));
  const last = new Set(images.slice(0, policy.last ?? 0));
  const kept = new Map<Image, string[]>();
  for (const [position, image] of newestFirst.entries()) {
    const rules = begin !== undefined && image.createdAt > begin ? ["within"] : [];
    if (last.has(image)) rules.push("last");
    const isOldest = position === newestFirst.length - 1;
    for (const rule of counted) {
      const reason = reasonOf(rule, new Date(image.createdAt), isOldest);
      if (reason !== undefined) rules.push(reason);
    }
    if (rules.length > 0) kept.set(image, rules);
  }
  return kept;
}

/** Counts an image for a rule, and returns why the rule keeps it; `undefined` where it does not. */
function reasonOf(
  rule: Counted,
  time: Date,
  isOldest: boolean,
): string | undefined {
  if (rule.left === 0) return undefined;
  const period = rule.periodOf(time);
  const isNew = period !== rule.period;
  if (!isNew && !isOldest) return undefined;
  rule.period = period;
  rule.left--;
  return isNew ? rule.name : `oldest ${rule.name}`;
}

/** Returns the time after which everything is kept; milliseconds since the epoch. */
function beginOf(
  { years, months, days, hours }: CalendarSpan,
  newestFirst: readonly Dated[],
  now: number,
): number | undefined {
  if (years + months + days + hours === 0) return undefined;
  const newest = newestFirst.find(({ createdAt }) => createdAt <= now);
  if (!newest) return -Infinity;
  const begin = new Date(newest.createdAt);
  begin.setUTCFullYear(
    begin.getUTCFullYear() - years,
    begin.getUTCMonth() - months,
    begin.getUTCDate() - days,
  );
  return begin.getTime() - hours * 3600_000;
}

/** Returns a number for each ISO week: they begin on Mondays, and 1970-01-01 was a Thursday. */
function isoWeek(time: Date): number {
  return Math.floor((Math.floor(time.getTime() / 86_400_000) + 3) / 7);
}
