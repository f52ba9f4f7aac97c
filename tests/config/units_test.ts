import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  formatCalendarSpan,
  formatDuration,
  formatSize,
  parseCalendarSpan,
  parseDuration,
  parseSize,
} from "../../src/config/units.ts";

const DURATIONS: [string, number | undefined][] = [
  ["10m", 600_000],
  ["1h30m", 5_400_000],
  ["1.5s", 1_500],
  ["250ms", 250],
  ["2d", 172_800_000],
  ["0s", 0],
  ["10", undefined],
  ["", undefined],
  ["-1s", undefined],
  ["10 m", undefined],
  ["1y", undefined],
];

for (const [text, milliseconds] of DURATIONS) {
  Deno.test(`duration ${JSON.stringify(text)} is ${milliseconds} ms`, () => {
    assertEquals(parseDuration(text), milliseconds);
  });
}

const SIZES: [string, number | undefined][] = [
  ["1024", 1024],
  ["20GiB", 20 * 1024 ** 3],
  ["1.5 GB", 1_500_000_000],
  ["512k", 512 * 1024],
  ["3Mi", 3 * 1024 ** 2],
  ["7B", 7],
  ["0.3", undefined],
  ["10XB", undefined],
  ["-1", undefined],
  ["9000PiB", undefined],
];

for (const [text, bytes] of SIZES) {
  Deno.test(`size ${JSON.stringify(text)} is ${bytes} bytes`, () => {
    assertEquals(parseSize(text), bytes);
  });
}

Deno.test("duration reads back as it was when it is written out", () => {
  fc.assert(fc.property(fc.nat(), (ms) => parseDuration(formatDuration(ms)) === ms));
});

Deno.test("size has one decimal and a binary unit when it is written out", () => {
  assertEquals(formatSize(0), "0 B");
  assertEquals(formatSize(1536), "1.5 KiB");
  assertEquals(formatSize(20 * 1024 ** 3), "20.0 GiB");
});

Deno.test("spans of calendar time are restic's: m are months", () => {
  assertEquals(parseCalendarSpan("1y5m7d2h"), { years: 1, months: 5, days: 7, hours: 2 });
  for (const text of ["", "5", "3w", "1d 2h", "-1d", "1.5d", "99999d"]) {
    assertEquals(parseCalendarSpan(text), undefined, text);
  }
  assertEquals(formatCalendarSpan(parseCalendarSpan("2h1y")!), "1y2h");
  assertEquals(formatCalendarSpan(parseCalendarSpan("0d")!), "0h");
});
