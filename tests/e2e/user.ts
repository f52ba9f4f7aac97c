/** A daemon that runs as an ordinary user. */

import { fromFileUrl, join } from "@std/path";
import { DaemonProcess, FROM_SOURCE } from "../../scripts/daemon_process.ts";

export const IS_ROOT = Deno.uid() === 0;

/** Nobody in particular, or whoever runs the tests. */
export const USER = IS_ROOT ? { uid: 65534, gid: 65534 } : { uid: Deno.uid()!, gid: Deno.gid()! };

const REPOSITORY = fromFileUrl(new URL("../../", import.meta.url));

/** What wsdaemon is run from besides `src`; the repository itself may be closed to the user. */
const FILES = ["main.ts", "deno.json", "deno.lock"];

/**
 * Shows Deno, its modules and this repository where the user can get at them, wherever they are, to
 * this process alone: nothing of that is left behind, or in the way of who clears the folder away.
 */
const BECOME = `
set -eu
at=$1 deno=$2 cache=$3 repository=$4
shift 4
mount -o bind,ro "$deno" "$at/deno"
mount -o bind,ro "$cache" "$at/cache"
for name in src ${FILES.join(" ")}; do
  mount -o bind,ro "$repository/$name" "$at/repository/$name"
done
# Where the tests run need be no place for the user.
cd "$at"
exec setpriv --reuid ${USER.uid} --regid ${USER.gid} --clear-groups \\
  env HOME="$at" DENO_DIR="$at/cache" \\
  "$at/deno" run -A --no-prompt "$at/repository/main.ts" "$@"
`;

/** Starts a daemon as {@link USER} on a root. @param folder that everybody can pass through */
export async function asUser(
  folder: string,
  root: string,
  config: Record<string, unknown>,
): Promise<DaemonProcess> {
  const path = `${root}.jsonc`;
  Deno.writeTextFileSync(path, JSON.stringify({ metrics: { listen: "off" }, ...config }));
  const args = ["--config", path, "--root", root];
  return await DaemonProcess.start({ args, command: commandAsUser(folder) });
}

/** Returns the command that runs wsdaemon as {@link USER}. @param folder that everybody can pass through */
export function commandAsUser(folder: string): readonly [string, ...string[]] {
  if (!IS_ROOT) return FROM_SOURCE;
  const at = join(folder, "program");
  for (const name of ["cache", "repository/src"]) {
    Deno.mkdirSync(join(at, name), { recursive: true });
  }
  for (const name of ["deno", ...FILES.map((file) => `repository/${file}`)]) {
    Deno.writeTextFileSync(join(at, name), "");
  }
  const shown = [Deno.execPath(), denoDir(), REPOSITORY];
  return ["unshare", "--mount", "sh", "-c", BECOME, "sh", at, ...shown];
}

/** Gives everything beneath a path to {@link USER}; only root has to, and can. */
export function giveToUser(path: string): void {
  if (IS_ROOT) run("chown", "-hR", `${USER.uid}:${USER.gid}`, path);
}

/** Whether {@link asUser} works here; for `ignore`. */
export function canBeUser(): boolean {
  if (!IS_ROOT) return true;
  const probe = "mount -o bind,ro /etc /mnt && setpriv --reuid 1 --regid 1 --clear-groups true";
  try {
    run("unshare", "--mount", "sh", "-c", probe);
    return true;
  } catch {
    return false;
  }
}

/** Returns the folder that Deno caches modules in. */
export function denoDir(): string {
  return (JSON.parse(run(Deno.execPath(), "info", "--json")) as { denoDir: string }).denoDir;
}

function run(command: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(command, { args }).outputSync();
  if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
