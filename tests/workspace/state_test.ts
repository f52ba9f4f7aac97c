import { assertEquals, assertThrows } from "@std/assert";
import {
  next,
  recoveryEvent,
  survivesCrash,
  wireState,
  type WorkspaceEvent,
  type WorkspaceState,
} from "../../src/workspace/state.ts";

const EVENTS: WorkspaceEvent[] = [
  "begin",
  "ready",
  "fail",
  "wrapUp",
  "abortDispose",
  "delete",
  "gone",
];
const STATES: WorkspaceState[] = ["NONE", "SETTING_UP", "AVAILABLE", "WRAPPING_UP", "DELETING"];

Deno.test("a workspace goes through its whole life and its id is free again", () => {
  const life: WorkspaceEvent[] = [
    "begin",
    "ready",
    "wrapUp",
    "abortDispose",
    "wrapUp",
    "delete",
    "gone",
  ];
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
    "WRAPPING_UP abortDispose AVAILABLE",
    "WRAPPING_UP delete DELETING",
    "DELETING gone NONE",
  ]);
  assertThrows(() => next("AVAILABLE", "begin"), Error, "AVAILABLE cannot begin");
});

Deno.test("a restart keeps content that was ready until its deletion began, and no other", () => {
  assertEquals(STATES.filter(survivesCrash), ["AVAILABLE", "WRAPPING_UP"]);
});

Deno.test("a restart takes every workspace to a state in which it serves or deletes it", () => {
  const recovered = STATES.map((state) => {
    const event = recoveryEvent(state);
    return event ? next(state, event) : state;
  });
  assertEquals(recovered, ["NONE", "DELETING", "AVAILABLE", "AVAILABLE", "DELETING"]);
});

Deno.test("callers know no state but the protocol's", () => {
  assertEquals(STATES.map(wireState), [
    "NONE",
    "SETTING_UP",
    "AVAILABLE",
    "WRAPPING_UP",
    "WRAPPING_UP",
  ]);
});
