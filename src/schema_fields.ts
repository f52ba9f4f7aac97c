/**
 * Fields of config schemas. Their messages read "expected …", after which the config's loader says what
 * it got.
 */

import { z } from "zod";

/** What the JSON Schema says of keys that hold a path. */
export const PATH_FORMAT = "path";

/** Returns a message for zod: what was expected. */
export function expected(what: string): { error: string } {
  return { error: `expected ${what}` };
}

/**
 * A path; relative ones are resolved by the config's loader. Its form is in the JSON Schema, from which
 * the loader knows which keys hold one.
 */
export const pathField = z.string(expected("a path")).min(1, expected("a path"))
  .meta({ format: PATH_FORMAT });

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
