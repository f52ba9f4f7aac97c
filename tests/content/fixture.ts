/** What the tests of content share. */

import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { DaemonError, type ErrorCode } from "../../src/errors.ts";
import type { Content } from "../../src/content/content.ts";
import type { Dispatcher } from "../../src/content/dispatcher.ts";
import type { Owner, Tree } from "../../src/content/tree.ts";
import { connectTrees } from "../../src/content/tree_operations.ts";

/** Whoever runs the tests: content of one's own needs no privileges. */
export const ME: Owner = { uid: Deno.uid()!, gid: Deno.gid()! };
export const IS_ROOT = ME.uid === 0;

/** Asserts that the promise rejects with this code and a message that has this in it. */
export async function assertFails(
  promise: Promise<unknown>,
  code: ErrorCode,
  message: string,
): Promise<void> {
  let error: unknown;
  try {
    await promise;
  } catch (thrown) {
    error = thrown;
  }
  assert(error !== undefined, `did not fail with ${code}`);
  assertInstanceOf(error, DaemonError);
  assertEquals(error.code, code, error.message);
  assertStringIncludes(error.message, message);
}

/** Deletes what a daemon that is started finds left, as it does. */
export async function deleteLeftovers(content: Content): Promise<void> {
  const leftovers = await content.leftovers();
  for (const name of leftovers.staging) await content.remove({ area: "staging", name });
  for (const group of leftovers.trash) await content.deleteTrash(group);
  assertEquals(await content.discardLeftovers(leftovers), []);
}

/** Makes an empty staging tree of ours. */
export function makeTree(workers: Dispatcher): Promise<Tree> {
  return connectTrees(workers).create(ME);
}

/** Names in a folder, sorted. */
export function namesIn(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

/**
 * How many descriptors of files beneath `path` this process, Workers included, has open. Other tests
 * may run in the same process, so that a plain count says nothing.
 * @param options.nameless whether to count those whose path is too long to be told, too
 */
export function openDescriptors(path: string, options: { nameless?: boolean } = {}): number {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(`${path}/`)) count++;
    } catch (error) {
      // What is not found has been closed since it was listed.
      if (options.nameless && !(error instanceof Deno.errors.NotFound)) count++;
    }
  }
  return count;
}
