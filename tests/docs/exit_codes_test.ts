import { assertEquals } from "@std/assert";
import { EXIT } from "../../src/cli/failure.ts";
import { page } from "./pages.ts";

Deno.test("the operations page says what every exit code means", () => {
  const { text } = page("docs/operations.md");
  const section = text.split("\n## Exit codes\n")[1]!.split("\n## ")[0]!;
  const shown = [...section.matchAll(/^\| (\d+) +\| \S/gm)].map(([, code]) => Number(code));
  assertEquals(shown, Object.values(EXIT));
});
