/** Uses a root whose daemon is stopped. */

import type { Command } from "commander";
import { join } from "@std/path";
import { configureLogging } from "../../log/mod.ts";
import { lockRoot } from "../../process/mod.ts";
import { addConfigFlags, loadFromFlags } from "../config_flags.ts";
import { Failure, localFailure } from "../failure.ts";
import { printErrorText } from "../io.ts";

/** Adds the flags that {@link withRoot} reads. */
export function addRootFlags(command: Command): Command {
  return addConfigFlags(command, ["root"]).option("--json", "print JSON for machines");
}

/**
 * Returns what `use` does with the configured root, whose lock is held meanwhile.
 * @throws {Failure} where there is no such root, a daemon uses it, or `use` fails
 */
export function withRoot<T>(command: Command, use: (root: string) => T): T {
  const config = loadFromFlags(command);
  configureLogging({ ...config.log, level: "warning" }, printErrorText);
  const root = realRoot(config.root);
  try {
    // All of it may have been deleted.
    Deno.mkdirSync(join(root, "state"), { recursive: true, mode: 0o700 });
    using _lock = lockRoot(root);
    return use(root);
  } catch (error) {
    throw localFailure(error, `Cannot look at the state of ${root}`, root);
  }
}

function realRoot(path: string): string {
  try {
    const root = Deno.realPathSync(path);
    if (Deno.statSync(join(root, "workspaces")).isDirectory) return root;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw localFailure(error, "Cannot look", path);
  }
  throw new Failure(
    `${path} is no root of wsdaemon's: it has no folder workspaces; name it by --root`,
  );
}
