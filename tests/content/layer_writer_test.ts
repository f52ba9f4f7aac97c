import { assertEquals } from "@std/assert";
import { openAreas } from "../../src/content/areas.ts";
import { FRAME_BYTES, LayerWriter } from "../../src/content/pack/write/layer_writer.ts";
import { openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import { areasOf } from "../fixtures/content.ts";
import { testFolder } from "../fixtures/folder.ts";
import { namesIn } from "./fixture.ts";

Deno.test("what is left of a layer whose large file was taken back leaves nothing in the spool", () => {
  using folder = testFolder();
  openLibc(libcPath());
  const paths = areasOf(folder.path);
  for (const path of Object.values(paths)) Deno.mkdirSync(path, { recursive: true });
  const areas = openAreas(paths);
  using writer = new LayerWriter({ areas, name: "pack", firstNumber: 0, onSealed() {} });
  const mark = writer.begin(3 * FRAME_BYTES);
  writer.zeros(3 * FRAME_BYTES);
  assertEquals(namesIn(paths.spool), ["pack-0"]);
  writer.rewind(mark);
  writer.begin(4);
  writer.write(new TextEncoder().encode("left"));
  const remainder = writer.takeRemainder();
  assertEquals(new TextDecoder().decode(remainder?.bytes), "left");
  assertEquals(namesIn(paths.spool), []);
});
