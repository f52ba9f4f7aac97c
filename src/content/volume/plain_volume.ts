/** Trees as plain directories, on any file system. */

import type { Directory } from "../../linux/mod.ts";
import { deleteEntry } from "../delete_entry.ts";
import type { Volume } from "./volume.ts";

/** Makes and deletes trees; it can do nothing else with them. */
export const plainVolume: Volume = {
  kind: "plain",
  make: (parent: Directory, name: string) => parent.makeDirectory(name, 0o700),
  remove: (parent, name, overflow, options) => deleteEntry(parent, name, overflow, options),
};
