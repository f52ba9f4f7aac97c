import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Reserve } from "../../src/workspace/reserve.ts";
import { canMount, smallFileSystem } from "../fixtures/mount.ts";
import { testFolder } from "../fixtures/folder.ts";

const MIB = 1 << 20;

Deno.test("a reserve is found again, and one that is cut short is made anew", () => {
  using folder = testFolder();
  const path = join(folder.path, "reserve");
  new Reserve(path).hold();
  assertEquals([new Reserve(path).held, Deno.statSync(path).size], [true, MIB]);
  Deno.truncateSync(path, 10);
  const reserve = new Reserve(path);
  assertEquals(reserve.held, false);
  reserve.hold();
  assertEquals([reserve.held, Deno.statSync(path).size], [true, MIB]);
  assertEquals([reserve.release(), reserve.held, reserve.release()], [true, false, false]);
});

Deno.test({
  name: `a reserve that does not fit takes no space, until space has been freed${
    canMount() ? "" : " (ignored: needs root and leave to mount)"
  }`,
  ignore: !canMount(),
  fn: () => {
    using folder = testFolder();
    using _disk = smallFileSystem(folder.path, 2 * MIB);
    const ballast = join(folder.path, "ballast");
    Deno.writeFileSync(ballast, new Uint8Array(1.5 * MIB));
    const path = join(folder.path, "reserve");
    const reserve = new Reserve(path);
    reserve.hold();
    assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["ballast"]);
    Deno.removeSync(ballast);
    reserve.hold();
    assertEquals(reserve.held, false);
    reserve.hold(true);
    assertEquals([reserve.held, Deno.statSync(path).size], [true, MIB]);
  },
});
