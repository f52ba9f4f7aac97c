/**
 * Fields of config schemas. Their messages read "expected …", after which the config's loader says what
 * it got.
 */

import { z } from "zod";

/** Returns a message for zod: what was expected. */
export function expected(what: string): { error: string } {
  return { error: `expected ${what}` };
}

/** A path; relative ones are resolved by the config's loader. */
export const pathField = z.string(expected("a path")).min(1, expected("a path"));

/** A string that is not empty. */
export const textField = z.string(expected("a string"))
  .min(1, expected("a string that is not empty"));

/** True or false. */
export const flagField = z.boolean(expected("true or false"));

/** Returns a whole number from `from` to `to`, both included. */
export function countField(from: number, to: number) {
  const range = expected(`a whole number from ${from} to ${to}`);
  return z.number(range).int(range).min(from, range).max(to, range);
}

/** Returns an object that has no keys but those of `shape`. */
export function section<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, expected("an object"));
}
