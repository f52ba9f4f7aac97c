/** Finds the C library, the only library that a Worker may be allowed to load. */

import { StartError } from "../errors.ts";

const LIBRARY = /\s(\/\S*\/(?:libc\.so\.6|libc-\d[\d.]*\.so))$/m;

/**
 * Returns the absolute path of the libc that this process runs on, from its memory map: a bare name does
 * not resolve under a permission that names a file. @throws {StartError} where there is none
 */
export function libcPath(maps: string = Deno.readTextFileSync("/proc/self/maps")): string {
  const path = LIBRARY.exec(maps)?.[1];
  if (path === undefined) {
    throw new StartError(
      "Cannot find the C library in /proc/self/maps; wsdaemon needs Linux with glibc",
    );
  }
  return path;
}
