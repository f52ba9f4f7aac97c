/** What an attack on one workspace must never reach. */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { ME, namesIn } from "./fixture.ts";

/** Files of each victim. */
export const CANARY_FILES = ["canary", "d/file", "file"];
/** What is in them. */
export const SECRET = "secret of a neighbour";

/** A neighbouring workspace and a folder beside the root, both with canaries. */
export class Canaries {
  /** Folders that links of the attacker's lead to. */
  readonly targets: readonly [string, string];

  constructor(workspaces: string, outside: string) {
    this.targets = [join(workspaces, "neighbour"), join(outside, "outside")];
    for (const target of this.targets) {
      Deno.mkdirSync(join(target, "d"), { recursive: true });
      for (const name of CANARY_FILES) Deno.writeTextFileSync(join(target, name), SECRET);
    }
  }

  /** Asserts that nothing was read into, written to or deleted from the targets. */
  check(): void {
    for (const target of this.targets) {
      assertEquals(namesIn(target), ["canary", "d", "file"]);
      assertEquals(namesIn(join(target, "d")), ["file"]);
      for (const name of CANARY_FILES) {
        const path = join(target, name);
        assertEquals(Deno.readTextFileSync(path), SECRET);
        const { uid, mode } = Deno.statSync(path);
        assertEquals([uid, mode! & 0o777], [ME.uid, 0o644]);
      }
    }
  }
}
