import { assert } from "@std/assert";
import { measureSaves } from "../../scripts/bench/saves.ts";
import { testFolder } from "../fixtures/folder.ts";
import { runs } from "../fixtures/soak.ts";

const MIB = 1 << 20;

Deno.test("the memory that backups of tiny workspaces take is given back", async () => {
  using folder = testFolder();
  const { idle, resident } = await measureSaves(runs(400, 10_000), folder.path);
  const grown = resident.map((bytes) => Math.round((bytes - idle) / MIB));
  const words = `MiB above idle after each tenth: ${grown}`;
  assert(Math.max(...grown) <= 110, words);
});
