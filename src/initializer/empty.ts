import type { InitializerKind } from "./initializer_kind.ts";
import type { EmptySpec } from "./specs.ts";

/** The plan of the empty initializer: nothing to do. */
export type EmptyPlan = Record<never, never>;

/** The empty initializer: a workspace that starts from nothing. */
export const empty: InitializerKind<EmptySpec, EmptyPlan> = {
  fills: "nothing",
  parse: () => ({}),
  run: () => Promise.resolve(),
  checkout: () => undefined,
};
