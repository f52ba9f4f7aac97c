import { assert } from "@std/assert";
import { measureSaves } from "../../scripts/bench/saves.ts";
import { testFolder } from "../fixtures/folder.ts";
import { runs, soaking } from "../fixtures/soak.ts";

const MIB = 1 << 20;

Deno.test("the memory that backups of tiny workspaces take is given back", async () => {
  using folder = testFolder();
  const { idle, resident } = await measureSaves(runs(400, 10_000), folder.path);
  const grown = resident.map((bytes) => Math.round((bytes - idle) / MIB));
  const words = `MiB above idle after each tenth: ${grown}`;
  // The quick run ends before any thread's collector has gone through its whole heap.
  if (!soaking()) return assert(Math.max(...grown) <= 120, words);
  assert(Math.max(...grown) <= 200, words);
  // By then the heaps have been gone through once, and are again when they have grown as much.
  assert(Math.max(...grown.slice(3)) <= 150, words);
});
