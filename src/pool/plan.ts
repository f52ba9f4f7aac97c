/** What a command does step by step, so that it can be told before, and is repeated without harm. */

/** Something to do; one that is done already is not among the steps. */
export interface Step {
  /** Such as `make`, and `made` once it is done. */
  readonly verb: readonly [todo: string, done: string];
  /** What follows the verb. */
  readonly object: string;
  act(): Promise<void>;
}

/** What is to be done, and what an operator should know of before. */
export interface Plan {
  readonly steps: readonly Step[];
  readonly warnings: readonly string[];
}
