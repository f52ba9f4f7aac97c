import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ArchiveError } from "../../src/archive/archive_error.ts";
import { bytesSource } from "../../src/archive/byte_source.ts";
import { TarReader } from "../../src/archive/tar_reader.ts";
import { whiteoutPath } from "../../src/archive/vendor_records.ts";
import { whiteoutOf } from "../../src/image/whiteout.ts";
import { archive, entry, pax, utf8 } from "../archive/build.ts";
import { textOf } from "./fixture.ts";

const read = (...parts: Uint8Array[]) =>
  whiteoutOf(new TarReader(bytesSource(archive(...parts))).next()!, 1000);

Deno.test("a whiteout means the path that it was made for", () => {
  const component = fc.stringMatching(/^[a-zé]{1,9}$/);
  fc.assert(fc.property(fc.array(component, { minLength: 1, maxLength: 5 }), (parts) => {
    const path = parts.join("/");
    const found = read(entry({ name: whiteoutPath(utf8(path)) }))!;
    assertEquals([found.kind, textOf(found.path.bytes), found.path.depth], [
      "entry",
      path,
      parts.length,
    ]);
  }));
});

Deno.test("a whiteout of an escaped name means the real one, by its record", () => {
  for (const path of ["d/.wh..wh..opq", ".wh.a", "d/.wsdaemon.wh.x"]) {
    const found = read(
      pax({ "WSDAEMON.whiteout": path }),
      entry({ name: whiteoutPath(utf8(path)) }),
    )!;
    assertEquals([found.kind, textOf(found.path.bytes)], ["entry", path]);
  }
});

Deno.test("an opaque whiteout means its directory; other entries are no whiteouts", () => {
  const found = read(entry({ name: "a/b/.wh..wh..opq" }))!;
  assertEquals([found.kind, textOf(found.path.bytes), found.path.depth], ["opaque", "a/b", 2]);
  for (const name of ["a", ".w", "a/wh.b", ".wh", ".wsdaemon.wh.0"]) {
    assertEquals(read(entry({ name })), undefined, name);
  }
});

Deno.test("a whiteout of nothing, of a directory itself or of the one above is malformed", () => {
  for (const name of [".wh.", "a/.wh.", ".wh..", "a/.wh..", ".wh...", "a/.wh..."]) {
    assertThrows(() => read(entry({ name })), ArchiveError, "a whiteout of nothing", name);
  }
});
