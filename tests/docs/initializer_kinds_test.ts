/** Every kind of initializer is in the documents and in what foreign clients are tested with. */

import { assertEquals, assertMatch } from "@std/assert";
import { type WorkspaceInitializer, WorkspaceInitializerSchema } from "../../src/wire/mod.ts";
import scenario from "../interop/scenario.json" with { type: "json" };
import { page } from "./pages.ts";

type Kind = NonNullable<WorkspaceInitializer["spec"]["case"]>;

/** What the README's table calls each kind; a new kind does not compile without its entry. */
const ROWS: Readonly<Record<Kind, RegExp>> = {
  empty: /^\| nothing +\| `--empty`/m,
  git: /^\| Git: .*\| `--git /m,
  snapshot: /^\| a snapshot +\| `--snapshot /m,
  prebuild: /^\| a prebuild.*\| /m,
  composite: /^\| several of these, in order +\| `--/m,
  download: /^\| downloads +\| `--download /m,
  backup: /^\| the latest backup of .*\| `--from-backup`/m,
};

/** The kinds that the contract has. */
const KINDS = WorkspaceInitializerSchema.oneofs[0]!.fields.map(({ name }) => name);

Deno.test("the README's table has a row for every kind of initializer", () => {
  const table = page("README.md").text.split("## What a workspace can start from")[1]!;
  assertEquals(Object.keys(ROWS).toSorted(), KINDS.toSorted());
  for (const row of Object.values(ROWS)) assertMatch(table, row);
});

Deno.test("foreign clients send every kind of initializer", () => {
  const members: object[] = scenario.init.initializer.composite.initializer;
  const sent = ["composite", ...members.flatMap((member) => Object.keys(member))];
  assertEquals([...new Set(sent)].toSorted(), KINDS.toSorted());
});
