import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Abilities } from "../../src/content/abilities.ts";
import { Directory, openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import { testFolder } from "../fixtures/folder.ts";
import { canMount, smallFileSystem } from "../fixtures/mount.ts";

const text = (value: string) => new TextEncoder().encode(value);
const attribute = (name: string) => ({ name: text(name), value: text("v") });

Deno.test("abilities are found out by trying, and nothing is left of the trials", () => {
  using folder = testFolder();
  openLibc(libcPath());
  using scratch = Directory.open(folder.path, "scratch");
  const abilities = new Abilities(scratch);
  const isRoot = Deno.uid() === 0;
  assertEquals(abilities.canChown(), isRoot);
  assert(abilities.canSetXattr(attribute("user.note")));
  assert(!abilities.canSetXattr(attribute("unheard.of")));
  assert(abilities.hasSpace());
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test({
  name: `a full disk is no lack of rights${canMount() ? "" : " (ignored: needs root and mount)"}`,
  ignore: !canMount(),
  fn() {
    using folder = testFolder();
    using _mount = smallFileSystem(folder.path, 256 * 1024);
    openLibc(libcPath());
    using scratch = Directory.open(folder.path, "scratch");
    assert(new Abilities(scratch).hasSpace());
    using file = Deno.openSync(join(folder.path, "all"), { write: true, createNew: true });
    const fill = () => {
      for (;;) file.writeSync(new Uint8Array(4096));
    };
    let full = false;
    try {
      fill();
    } catch {
      full = true;
    }
    const abilities = new Abilities(scratch);
    assert(full && !abilities.hasSpace());
    assert(abilities.canChown() && abilities.canMakeDevice(1, 3));
  },
});
