import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import {
  imageOfUnit,
  mountUnitName,
  unitFiles,
  unitState,
  writeUnit,
} from "../../src/pool/units.ts";
import { testFolder } from "../fixtures/folder.ts";
import { has } from "../fixtures/tools.ts";

Deno.test("a mount unit has the name that systemd-escape gives it", () => {
  const NAMES = {
    "/": "-.mount",
    "/var/lib/wsdaemon": "var-lib-wsdaemon.mount",
    "/srv//data-1/": "srv-data\\x2d1.mount",
    "/.hidden/.x": "\\x2ehidden-.x.mount",
    "/ä@b": "\\xc3\\xa4\\x40b.mount",
  };
  for (const [path, name] of Object.entries(NAMES)) {
    assertEquals(mountUnitName(path), name);
    if (!has("systemd-escape")) continue;
    const args = ["--path", "--suffix=mount", path];
    const { stdout } = new Deno.Command("systemd-escape", { args }).outputSync();
    assertEquals(new TextDecoder().decode(stdout).trimEnd(), name);
  }
});

Deno.test("the service may write to a root of its own only where its unit does not say so already", () => {
  const dropIn = (root: string) => unitFiles({ root, file: "/pool.img", units: "/u" })[1]!.text;
  assertStringIncludes(dropIn("/srv/node"), "ReadWritePaths=/srv/node\n");
  assertEquals(dropIn("/var/lib/wsdaemon").includes("ReadWritePaths"), false);
});

Deno.test("a path that a unit would read as something else is refused", () => {
  for (const path of ["/a b", "/a%h", "/a$b", "/a;b", '/a"b', "/a\\b", "/a\nb"]) {
    for (const place of [{ root: path, file: "/f" }, { root: "/r", file: path }]) {
      const { code } = assertThrows(() => unitFiles({ ...place, units: "/u" }), DaemonError);
      assertEquals(code, "INVALID_ARGUMENT");
    }
  }
});

Deno.test("units that were written here are told from others, and name their image", async () => {
  using folder = testFolder();
  const units = join(folder.path, "units");
  const place = { root: "/srv/node", file: "/srv/pool.img", units };
  const [mount, dropIn] = unitFiles(place);
  assertEquals([unitState(mount!), imageOfUnit(place.root, units)], ["absent", undefined]);
  for (const unit of [mount!, dropIn!]) {
    await writeUnit(unit);
    assertEquals(unitState(unit), "current");
  }
  assertEquals(imageOfUnit(place.root, units), place.file);
  assertEquals(imageOfUnit("/srv/other", units), undefined);
  const other = unitFiles({ ...place, file: "/srv/other.img" })[0]!;
  assertEquals(unitState(other), "older");
  Deno.writeTextFileSync(mount!.path, "[Mount]\nWhat=/dev/sdb1\n");
  assertEquals([unitState(mount!), imageOfUnit(place.root, units)], ["foreign", undefined]);
});
