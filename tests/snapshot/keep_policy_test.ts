import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseCalendarSpan } from "../../src/config/units.ts";
import {
  applyKeepPolicy,
  type KeepPolicy,
  keepsSomething,
} from "../../src/snapshot/keep_policy.ts";

interface Dated {
  readonly createdAt: number;
}

const at = (time: string): Dated => ({ createdAt: Date.parse(time) });
const NOW = Date.parse("2026-11-30T12:00:00Z");

/** Returns the reasons to keep each image, by its time. */
function kept(times: readonly string[], policy: KeepPolicy, now = NOW): Record<string, string> {
  const images = times.map(at);
  const reasons = applyKeepPolicy(images, policy, now);
  return Object.fromEntries(
    times.flatMap((time, n) => {
      const found = reasons.get(images[n]!);
      return found ? [[time, found.join(", ")]] : [];
    }),
  );
}

Deno.test("the newest of each day are kept, periods without one do not count, and the oldest stays", () => {
  const times = [
    "2026-11-30T10:00Z",
    "2026-11-30T08:00Z",
    "2026-11-27T10:00Z",
    "2026-11-20T09:00Z",
  ];
  assertEquals(kept(times, { daily: 2 }), {
    "2026-11-30T10:00Z": "daily",
    "2026-11-27T10:00Z": "daily",
  });
  assertEquals(kept(times.slice(0, 2), { daily: 5 }), {
    "2026-11-30T10:00Z": "daily",
    "2026-11-30T08:00Z": "oldest daily",
  });
});

Deno.test("weeks are ISO's, across a year's end", () => {
  // Monday 2026-12-28 begins week 53, which ends on Sunday 2027-01-03.
  const times = [
    "2027-01-04T00:00Z",
    "2027-01-03T23:59Z",
    "2026-12-28T00:00Z",
    "2026-12-27T23:59Z",
  ];
  assertEquals(Object.keys(kept(times, { weekly: 3 }, Date.parse("2027-02-01T00:00Z"))), [
    "2027-01-04T00:00Z",
    "2027-01-03T23:59Z",
    "2026-12-27T23:59Z",
  ]);
});

Deno.test("within counts from the newest image that is not in the future", () => {
  const within = parseCalendarSpan("2d")!;
  const times = [
    "2030-01-01T00:00Z",
    "2026-11-29T00:00Z",
    "2026-11-27T00:00:01Z",
    "2026-11-27T00:00Z",
  ];
  assertEquals(Object.keys(kept(times, { within })), times.slice(0, 3));
  assertEquals(Object.keys(kept(["2030-01-01T00:00Z", "2029-01-01T00:00Z"], { within })).length, 2);
});

Deno.test("a policy of nothing but zeros keeps nothing", () => {
  assertEquals(keepsSomething({ last: 0, within: parseCalendarSpan("0d") }), false);
  assertEquals(keepsSomething({ within: parseCalendarSpan("1h") }), true);
});

/** A plain model of restic's rules: rule by rule, with lists of what each keeps, in local words. */
function model(images: readonly Dated[], policy: KeepPolicy, now: number): Set<Dated> {
  const newest = [...images].sort((a, b) => b.createdAt - a.createdAt);
  const result = new Set<Dated>();
  const label: Record<string, (image: Dated, n: number) => string> = {
    last: (_image, n) => `${n}`,
    hourly: ({ createdAt }) => new Date(createdAt).toISOString().slice(0, 13),
    daily: ({ createdAt }) => new Date(createdAt).toISOString().slice(0, 10),
    monthly: ({ createdAt }) => new Date(createdAt).toISOString().slice(0, 7),
    weekly: ({ createdAt }) => {
      const day = new Date(createdAt);
      // Back to the week's Monday.
      day.setUTCDate(day.getUTCDate() - (day.getUTCDay() + 6) % 7);
      return day.toISOString().slice(0, 10);
    },
  };
  for (const [rule, labelOf] of Object.entries(label)) {
    const wanted = policy[rule as "last"] ?? 0;
    const labels = newest.map(labelOf);
    const firsts = newest.filter((_, n) => n === 0 || labels[n] !== labels[n - 1]);
    for (const image of firsts.slice(0, wanted)) result.add(image);
    if (firsts.length < wanted && newest.length > 0) result.add(newest.at(-1)!);
  }
  if (policy.within && keepsSomething({ within: policy.within })) {
    const { years, months, days, hours } = policy.within;
    const latest = newest.find(({ createdAt }) => createdAt <= now);
    for (const image of newest) {
      if (!latest) result.add(image);
      else {
        const t = new Date(latest.createdAt);
        const from = Date.UTC(
          t.getUTCFullYear() - years,
          t.getUTCMonth() - months,
          t.getUTCDate() - days,
          t.getUTCHours() - hours,
          t.getUTCMinutes(),
          t.getUTCSeconds(),
          t.getUTCMilliseconds(),
        );
        if (image.createdAt > from) result.add(image);
      }
    }
  }
  return result;
}

const count = fc.option(fc.nat(6), { nil: undefined });
const span = fc.record({ years: fc.nat(1), months: fc.nat(3), days: fc.nat(9), hours: fc.nat(30) });
const policies = fc.record({
  last: count,
  hourly: count,
  daily: count,
  weekly: count,
  monthly: count,
  within: fc.option(span, { nil: undefined }),
});
/** Times that are close together and far apart, some of them in the future. */
const gaps = fc.array(
  fc.oneof(fc.nat(3600_000 * 3), fc.nat(86_400_000 * 9), fc.nat(86_400_000 * 80)),
  { maxLength: 40 },
);

Deno.test("every policy keeps what restic's rules keep, and nothing else", () => {
  fc.assert(
    fc.property(gaps, policies, fc.nat(86_400_000 * 30), (between, policy, ahead) => {
      let time = NOW + ahead;
      const images = between.map((gap) => ({ createdAt: time -= gap }));
      const keptImages = new Set(applyKeepPolicy(images, policy, NOW).keys());
      assertEquals(keptImages, model(images, policy, NOW));
    }),
    { numRuns: 500 },
  );
});

Deno.test("a policy that is applied again to what it has kept keeps all of it", () => {
  fc.assert(
    fc.property(gaps, policies, (between, policy) => {
      let time = NOW;
      const images = between.map((gap) => ({ createdAt: time -= gap }));
      const once = [...applyKeepPolicy(images, policy, NOW).keys()];
      assertEquals([...applyKeepPolicy(once, policy, NOW).keys()], once);
    }),
    { numRuns: 300 },
  );
});
