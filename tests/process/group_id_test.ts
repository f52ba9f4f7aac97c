import { assertEquals, assertThrows } from "@std/assert";
import { StartError } from "../../src/errors.ts";
import { groupId } from "../../src/process/group_id.ts";

const GROUPS = "root:x:0:\nworkspaces:x:1234:alice,bob\nbroken:x\n";

Deno.test("a group is found by its name or its id, and one that is not there is named", () => {
  assertEquals(groupId("workspaces", () => GROUPS), 1234);
  assertEquals(groupId("77", () => GROUPS), 77);
  assertEquals(groupId("root"), 0);
  assertThrows(() => groupId("workspace", () => GROUPS), StartError, "the group workspace");
  assertThrows(() => groupId("broken", () => GROUPS), StartError, "the group broken");
});
