/**
 * The units that have systemd mount a pool before the daemon starts. Nothing enables them: the service
 * requires what is mounted at its root, which finds the mount unit by its name.
 */

import { dirname, join } from "@std/path";
import { DaemonError } from "../errors.ts";

/** Where units of a machine's administrator are. */
export const UNITS = "/etc/systemd/system";
/** The root for which the service's own unit has what a root needs. */
const DEFAULT_ROOT = "/var/lib/wsdaemon";
const SIGNATURE = '# Written by "wsdaemon pool create", which writes it anew where it is another.';

/** Where a pool is, or is to be. All paths are absolute. */
export interface PoolPlace {
  /** The daemon's root, where the pool is mounted. */
  readonly root: string;
  /** The image. */
  readonly file: string;
  /** The folder of systemd's units. */
  readonly units: string;
}

/** A file that belongs to a pool. */
export interface UnitFile {
  readonly path: string;
  readonly text: string;
}

/** Returns the name of the unit that mounts something there, as `systemd-escape --path` makes it. */
export function mountUnitName(path: string): string {
  const parts = path.split("/").filter((part) => part !== "");
  if (parts.length === 0) return "-.mount";
  const escaped = parts.map((part, n) =>
    [...new TextEncoder().encode(part)].map((byte, at) => {
      const character = String.fromCharCode(byte);
      const isKept = /[A-Za-z0-9:_]/.test(character) || character === "." && (n > 0 || at > 0);
      return isKept ? character : `\\x${byte.toString(16).padStart(2, "0")}`;
    }).join("")
  );
  return `${escaped.join("-")}.mount`;
}

/**
 * Returns the units of a pool.
 * @throws {DaemonError} INVALID_ARGUMENT for a path that a unit would read as something else
 */
export function unitFiles({ root, file, units }: PoolPlace): UnitFile[] {
  for (const path of [root, file]) {
    if (!/[\s"'%\\$;]|\p{Cc}/u.test(path)) continue;
    throw new DaemonError(
      "INVALID_ARGUMENT",
      `Cannot name ${JSON.stringify(path)} in a unit of systemd: choose a path without blanks, ` +
        "quotes, %, \\, ; and $",
    );
  }
  return [
    { path: join(units, mountUnitName(root)), text: mountUnit(root, file) },
    { path: join(units, "wsdaemon.service.d", "pool.conf"), text: serviceDropIn(root) },
  ];
}

function mountUnit(root: string, file: string): string {
  return `${SIGNATURE}
[Unit]
Description=Pool of the workspaces' content
RequiresMountsFor=${file}

[Mount]
What=${file}
Where=${root}
Type=btrfs
# Reading changes nothing then, which the next save would look at; what is deleted is given back to
# the disk that the image is on.
Options=loop,noatime,discard=async
DirectoryMode=0711
`;
}

function serviceDropIn(root: string): string {
  // The unit of the service has its own root writable.
  const writable = root === DEFAULT_ROOT ? "" : `ReadWritePaths=${root}\n`;
  return `${SIGNATURE}
[Unit]
# Without its pool the daemon does not start on the folder beneath.
RequiresMountsFor=${root}
AssertPathIsMountPoint=${root}

[Service]
# Without it btrfs lets nobody delete subvolumes, set and read limits, and list what has changed.
CapabilityBoundingSet=CAP_SYS_ADMIN
${writable}`;
}

/** What a unit's file is, compared with what it is to be. */
export type UnitState = "absent" | "current" | "older" | "foreign";

/** Compares a unit's file with what it is to be. @throws {Error} where it cannot be read */
export function unitState({ path, text }: UnitFile): UnitState {
  let found: string;
  try {
    found = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "absent";
    throw error;
  }
  if (found === text) return "current";
  return found.startsWith(SIGNATURE) ? "older" : "foreign";
}

/** Returns the image that the mount unit of a root names; `undefined` where there is no such unit. */
export function imageOfUnit(root: string, units: string): string | undefined {
  try {
    const text = Deno.readTextFileSync(join(units, mountUnitName(root)));
    return text.startsWith(SIGNATURE) ? /^What=(.+)$/m.exec(text)?.[1] : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Puts a unit's file in place in one step, and makes it durable. */
export async function writeUnit({ path, text }: UnitFile): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.new`;
  await Deno.writeTextFile(temporary, text);
  {
    using file = await Deno.open(temporary, { write: true });
    await file.sync();
  }
  await Deno.rename(temporary, path);
}
