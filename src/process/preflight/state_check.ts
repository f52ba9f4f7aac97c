import type { Config } from "../../config/mod.ts";
import { journalPath, otherVersion, readStateVersion, STATE_VERSION } from "../../state_schema.ts";
import { type Check, failed, passed } from "./check.ts";

/** Checks that the root's state is of no newer version, which this one would not understand. */
export function stateCheck({ root }: Config): Check {
  const name = "state";
  const path = journalPath(root);
  const version = readStateVersion(path);
  if (version === undefined) return passed(name, `there is none in ${root} yet`);
  if (version <= STATE_VERSION) return passed(name, `${path} has version ${version}`);
  return failed(name, otherVersion(path, version));
}
