import { DaemonError } from "../errors.ts";
import { readFileSystems } from "../mounts.ts";
import { type LoopDevice, loopDevice } from "./loop_device.ts";
import { mountUnitName, type PoolPlace } from "./units.ts";

/**
 * Returns the loop device that is mounted at a root with this image; `undefined` where nothing is mounted.
 * @throws {DaemonError} FAILED_PRECONDITION where something else is mounted
 */
export function mountedPool(
  { root, file }: Pick<PoolPlace, "root" | "file">,
): LoopDevice | undefined {
  const mounted = readFileSystems().findLast(({ mountPoint }) => mountPoint === root);
  if (!mounted) return undefined;
  const device = loopDevice(mounted.source);
  if (device && device.file === file) return device;
  const what = device ? `the image ${device.file}` : `${mounted.type} of ${mounted.source}`;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `${root} has ${what} mounted, not the pool ${file}: unmount it, or name what it is by --file`,
  );
}

/** Returns the command that mounts a pool. */
export function mountCommand({ root }: Pick<PoolPlace, "root">): string {
  return `systemctl daemon-reload && systemctl start '${mountUnitName(root)}'`;
}
