import { join } from "@std/path";
import type { Config } from "../config/mod.ts";

/** Returns the absolute path of the folder of files on their way to or from the store. */
export function spoolOf({ root }: Config): string {
  return join(root, "tmp", "spool");
}
