import { assertEquals } from "@std/assert";
import { finalSavesNamed, finalSavesOf } from "../../src/workspace/final_saves.ts";

Deno.test("final saves are those asked for, logs before the backup", () => {
  assertEquals(finalSavesOf({ backup: false, backupLogs: false }), []);
  assertEquals(finalSavesOf({ backup: true, backupLogs: false }), ["backup"]);
  assertEquals(finalSavesOf({ backup: false, backupLogs: true }), ["backupLogs"]);
  assertEquals(finalSavesOf({ backup: true, backupLogs: true }), ["backupLogs", "backup"]);
});

Deno.test("names that a newer version has recorded are ignored", () => {
  assertEquals([...finalSavesNamed([])], []);
  assertEquals([...finalSavesNamed(["backup", "screenshot", "backupLogs"])], [
    "backupLogs",
    "backup",
  ]);
});
