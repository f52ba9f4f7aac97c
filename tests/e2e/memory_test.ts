import { assert } from "@std/assert";
import { measureSaves } from "../../scripts/bench/saves.ts";
import { testFolder } from "../fixtures/folder.ts";
import { runs, soaking } from "../fixtures/soak.ts";

const MIB = 1 << 20;
/** What the collectors of the daemon's threads let lie about at the most. */
const BOUND = 150 * MIB;

Deno.test("the memory that backups of tiny workspaces take is given back", async () => {
  using folder = testFolder();
  const { idle, resident } = await measureSaves(runs(400, 10_000), folder.path);
  const grown = resident.map((bytes) => Math.round((bytes - idle) / MIB));
  // The quick run ends before collectors have come by even once.
  const bound = soaking() ? BOUND : BOUND * 0.8;
  assert(Math.max(...grown) * MIB <= bound, `MiB above idle after each tenth: ${grown}`);
});
