/** A folder as a directory handle. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { type ErrnoName } from "../../src/errors.ts";
import { Directory, openLibc, SystemError } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import { testFolder } from "../fixtures/folder.ts";

export interface OpenFolder extends Disposable {
  path: string;
  dir: Directory;
}

export function openFolder(): OpenFolder {
  openLibc(libcPath());
  const folder = testFolder();
  const dir = Directory.open(folder.path, "top");
  return {
    path: folder.path,
    dir,
    [Symbol.dispose]() {
      dir.close();
      folder[Symbol.dispose]();
    },
  };
}

/** Asserts that `action` throws a SystemError with this errno and path. */
export function assertErrno(action: () => unknown, errno: ErrnoName, path: string): void {
  let error: unknown;
  try {
    action();
  } catch (thrown) {
    error = thrown;
  }
  assert(error !== undefined, `did not fail with ${errno}`);
  assertInstanceOf(error, SystemError);
  assertEquals([error.errno, error.path], [errno, path]);
}

export const IS_ROOT = Deno.uid() === 0;
