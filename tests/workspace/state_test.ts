import { assertEquals, assertThrows } from "@std/assert";
import {
  afterCrash,
  next,
  type WorkspaceEvent,
  type WorkspaceState,
} from "../../src/workspace/state.ts";

const EVENTS: WorkspaceEvent[] = ["begin", "ready", "fail", "wrapUp", "keep", "delete", "gone"];
const STATES: WorkspaceState[] = ["NONE", "SETTING_UP", "AVAILABLE", "WRAPPING_UP", "DELETING"];

Deno.test("a workspace goes through its whole life and its id is free again", () => {
  const life: WorkspaceEvent[] = ["begin", "ready", "wrapUp", "keep", "wrapUp", "delete", "gone"];
  assertEquals(life.reduce<WorkspaceState>((state, event) => next(state, event), "NONE"), "NONE");
});

Deno.test("exactly the transitions of the lifecycle are allowed", () => {
  const allowed = STATES.flatMap((state) =>
    EVENTS.flatMap((event) => {
      try {
        return [`${state} ${event} ${next(state, event)}`];
      } catch {
        return [];
      }
    })
  );
  assertEquals(allowed, [
    "NONE begin SETTING_UP",
    "SETTING_UP ready AVAILABLE",
    "SETTING_UP fail NONE",
    "SETTING_UP delete DELETING",
    "AVAILABLE wrapUp WRAPPING_UP",
    "WRAPPING_UP keep AVAILABLE",
    "WRAPPING_UP delete DELETING",
    "DELETING gone NONE",
  ]);
  assertThrows(() => next("AVAILABLE", "begin"), Error, "AVAILABLE cannot begin");
});

Deno.test("a crash leaves content that was ready until its deletion began, and no other", () => {
  assertEquals(STATES.map((state) => `${state} ${afterCrash(state)}`), [
    "NONE NONE",
    "SETTING_UP NONE",
    "AVAILABLE AVAILABLE",
    "WRAPPING_UP AVAILABLE",
    "DELETING NONE",
  ]);
});
