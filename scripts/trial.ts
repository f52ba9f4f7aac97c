/**
 * `deno task trial`: brings six troubles about on real nodes, and looks for each of them where an
 * operator does: on the status page, in `wsdaemon top`, in the log, among the metrics and the alerts of
 * a real Prometheus. Prints a table, and ends with 1 where one of them is not seen, by its id, in one
 * place. It needs Debian's `prometheus` and `openssl`; full disks need root.
 */

import { join } from "@std/path";
import { testFolder } from "../tests/fixtures/folder.ts";
import { has } from "../tests/fixtures/tools.ts";
import { PLACES, type Row } from "./trial/places.ts";
import { SCENARIOS } from "./trial/scenarios.ts";

function say(text: string): void {
  // deno-lint-ignore no-console -- the trial's purpose is its table
  console.log(text);
}

/** Characters of what a place said that are shown. */
const MAX_SHOWN = 600;

/** The places, and the documents: what the table has of each trouble. */
const COLUMNS = [...PLACES, "docs"] as const;

function isSeen({ seen }: Row): boolean {
  return COLUMNS.every((column) => seen[column].ok);
}

function report({ expectation, seen }: Row): void {
  say(`\n${expectation.trouble} (${expectation.id})`);
  for (const place of COLUMNS) {
    const { ok, said } = seen[place];
    const shown = said.length > MAX_SHOWN ? `${said.slice(0, MAX_SHOWN)}…` : said;
    say(
      `  ${ok ? "seen  " : "UNSEEN"}  ${place.padEnd(6)}  ${shown.replaceAll("\n", "\n      | ")}`,
    );
  }
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ expectation, seen }) =>
    `| ${expectation.trouble.padEnd(44)} | ${
      COLUMNS.map((place) => (seen[place].ok ? "seen" : "NO").padEnd(6)).join(" | ")
    } |`
  );
  return [
    `| ${"trouble".padEnd(44)} | ${COLUMNS.map((place) => place.padEnd(6)).join(" | ")} |`,
    ...lines,
  ].join("\n");
}

const wanted = Deno.args.filter((one) => !one.startsWith("--"));
const binary = Deno.args.find((one) => one.startsWith("--binary="))?.slice("--binary=".length);
if (!has("prometheus")) {
  say("There is no prometheus here: apt-get install prometheus");
  Deno.exit(1);
}
using folder = testFolder();
const rows: Row[] = [];
for (const [name, scenario] of Object.entries(SCENARIOS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const context = { folder: join(folder.path, name), ...(binary ? { binary } : {}) };
  for await (const row of scenario(context)) {
    report(row);
    rows.push(row);
  }
}
say(`\n${table(rows)}`);
Deno.exitCode = rows.every(isSeen) ? 0 : 1;
