/** Parses and formats durations and sizes as people write them. */

const DURATION_UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|[dhms]))+$/;
const DURATION_PART = /(\d+(?:\.\d+)?)(ms|[dhms])/g;

const SIZE = /^(\d+(?:\.\d+)?) ?(B|[kKMGTP]i?B?)?$/;
const SIZE_PREFIXES = "KMGTP";

const CALENDAR_SPAN = /^(?:\d+[ymdh])+$/;
/** The most of each unit in a calendar span, so that no date is out of range. */
const MOST_OF_UNIT = 10_000;

/** The form of a duration, for JSON Schema. */
export const DURATION_PATTERN: RegExp = DURATION;
/** The form of a size, for JSON Schema. */
export const SIZE_PATTERN: RegExp = SIZE;

/** The form of a span of calendar time, for JSON Schema. */
export const CALENDAR_SPAN_PATTERN: RegExp = CALENDAR_SPAN;

/** Returns the milliseconds of `"10m"`, `"1h30m"` or `"1.5s"`; `undefined` where it is no duration. */
export function parseDuration(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let milliseconds = 0;
  for (const [, amount, unit] of text.matchAll(DURATION_PART)) {
    milliseconds += Number(amount) * DURATION_UNITS[unit as keyof typeof DURATION_UNITS];
  }
  return Number.isSafeInteger(Math.round(milliseconds)) ? Math.round(milliseconds) : undefined;
}

/** Returns the shortest text that {@link parseDuration} reads back as `milliseconds`. */
export function formatDuration(milliseconds: number): string {
  let rest = milliseconds;
  let text = "";
  for (const [unit, length] of Object.entries(DURATION_UNITS)) {
    const amount = Math.floor(rest / length);
    if (amount > 0) text += `${amount}${unit}`;
    rest -= amount * length;
  }
  return text || "0s";
}

/**
 * Returns the bytes of `"20GiB"`, `"512k"` or `"1.5 GB"`: `KiB`, `Ki` and `K` are 1024 bytes, `KB` is 1000, as GNU
 * tools have it; `undefined` where it is no size or not a whole, exactly representable number.
 */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text);
  if (!match) return undefined;
  const unit = match[2] ?? "B";
  const exponent = SIZE_PREFIXES.indexOf(unit[0]!.toUpperCase()) + 1;
  const base = unit.length === 2 && unit.endsWith("B") ? 1000 : 1024;
  const bytes = Number(match[1]) * base ** exponent;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Returns the shortest size that {@link parseSize} reads back as exactly these bytes. */
export function formatExactSize(bytes: number): string {
  for (let exponent = SIZE_PREFIXES.length; exponent > 0; exponent--) {
    const unit = 1024 ** exponent;
    if (bytes > 0 && bytes % unit === 0) return `${bytes / unit}${SIZE_PREFIXES[exponent - 1]}iB`;
  }
  return `${bytes}B`;
}

/** Returns a size with a binary unit, to one decimal: `1.5 GiB`. */
export function formatSize(bytes: number): string {
  let amount = bytes;
  let exponent = 0;
  while (amount >= 1024 && exponent < SIZE_PREFIXES.length) {
    amount /= 1024;
    exponent++;
  }
  if (exponent === 0) return `${bytes} B`;
  return `${amount.toFixed(1)} ${SIZE_PREFIXES[exponent - 1]}iB`;
}

/** Returns a length of time in its two largest units: `3d 4h`, `12s`. */
export function formatSpan(milliseconds: number): string {
  let rest = Math.max(0, milliseconds);
  const parts: string[] = [];
  for (const unit of ["d", "h", "m", "s"] as const) {
    const amount = Math.floor(rest / DURATION_UNITS[unit]);
    if (parts.length > 0 || amount > 0) parts.push(`${amount}${unit}`);
    rest -= amount * DURATION_UNITS[unit];
  }
  return parts.slice(0, 2).filter((part, n) => n === 0 || !part.startsWith("0")).join(" ") || "0s";
}

/** A span of calendar time. */
interface CalendarSpan {
  years: number;
  months: number;
  days: number;
  hours: number;
}

/**
 * Returns the span of `"1y5m7d2h"`, in which `m` are months, as restic has it; `undefined` where it is
 * none.
 */
export function parseCalendarSpan(text: string): CalendarSpan | undefined {
  if (!CALENDAR_SPAN.test(text)) return undefined;
  const amounts = { y: 0, m: 0, d: 0, h: 0 };
  for (const [, amount, unit] of text.matchAll(/(\d+)([ymdh])/g)) {
    amounts[unit as keyof typeof amounts] += Number(amount);
  }
  const { y: years, m: months, d: days, h: hours } = amounts;
  const span = { years, months, days, hours };
  return Object.values(span).every((part) => part <= MOST_OF_UNIT) ? span : undefined;
}

/** Returns the shortest text that {@link parseCalendarSpan} reads back as the span. */
export function formatCalendarSpan({ years, months, days, hours }: CalendarSpan): string {
  const parts = [[years, "y"], [months, "m"], [days, "d"], [hours, "h"]] as const;
  return parts.filter(([amount]) => amount > 0).map((part) => part.join("")).join("") || "0h";
}
