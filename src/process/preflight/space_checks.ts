/** Checks of the space on the file systems of the root and the store. */

import type { Config } from "../../config/mod.ts";
import { readDiskSpace, shortage } from "../../disk_space.ts";
import { reasonOf } from "../../errors.ts";
import { storeFolder } from "../../store/mod.ts";
import { type Check, failed, passed, warned } from "./check.ts";
import { nearestFolder } from "./root_checks.ts";

/** Checks whether enough is free for inits to be accepted, and for the node to be ready. */
export async function spaceChecks({ root, storage, disk }: Config): Promise<Check[]> {
  const folder = storeFolder(storage)?.path;
  const paths = [root, ...folder === undefined ? [] : [folder]].map(nearestFolder);
  return await Promise.all([...new Set(paths)].map((path) => spaceCheck(path, disk)));
}

async function spaceCheck(path: string, disk: Config["disk"]): Promise<Check> {
  const name = "space";
  try {
    const space = await readDiskSpace(path);
    const refusing = shortage(space, disk.initPercent);
    if (refusing !== undefined) return failed(name, `InitWorkspace is refused: ${refusing}`);
    const unready = shortage(space, disk.readyPercent);
    if (unready !== undefined) {
      return { name, outcome: "warning", message: `not ready: ${unready}` };
    }
    const percent = Math.floor(space.free / space.size * 100);
    return passed(name, `${Math.floor(space.free / 2 ** 20)} MiB (${percent}%) free for ${path}`);
  } catch (error) {
    return warned(name, `cannot tell how full ${path} is: ${reasonOf(error)}`, "try df");
  }
}
