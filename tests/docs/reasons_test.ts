import { assertEquals } from "@std/assert";
import { REASONS } from "../../src/errors.ts";
import { page } from "./pages.ts";

Deno.test("the API's page names every reason with its code and pause, and no other", () => {
  const section = page("docs/api.md").text.split("\n## Reasons\n")[1]!.split("\n## ")[0]!;
  const shown = [...section.matchAll(/^\| `(\w+)` *\| (\w+) *\|.*\| (\S[^|]*?) *\|$/gm)]
    .map(([, reason, code, retry]) => ({ reason, code, retry }));
  const known = Object.entries(REASONS).map(([reason, { code, retrySeconds }]) => ({
    reason,
    code,
    retry: retrySeconds === undefined ? "-" : `${retrySeconds} s`,
  }));
  assertEquals(sorted(shown), sorted(known));
});

function sorted(rows: readonly { reason: string | undefined }[]): unknown[] {
  return rows.toSorted((a, b) => (a.reason ?? "") < (b.reason ?? "") ? -1 : 1);
}
