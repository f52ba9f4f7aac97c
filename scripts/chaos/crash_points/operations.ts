/** Stands for the table of operations in content Workers: each has crash points. */

import { operations as real } from "../../../src/content/operations/mod.ts";
import { announce, withPoints } from "./points.ts";

type Operations = typeof real;

const names = Object.keys(real) as (keyof Operations)[];
announce("worker", names);

/** Every operation by name. */
export const operations: Operations = Object.fromEntries(
  names.map((name) => [
    name,
    withPoints(`worker.${name}`, real[name] as (...args: unknown[]) => unknown),
  ]),
) as unknown as Operations;
