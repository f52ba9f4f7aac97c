/** A disk of a test's own, with a real file system; needs root, and a machine that lets root mount. */

import { testFolder } from "../support/folder.ts";

function run(command: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
}

/** An ext4 of that size, all of which anybody may fill, at a new folder `at`. */
export function smallDisk(at: string, bytes: number): Disposable {
  using image = new DisposableStack();
  const path = `${at}.img`;
  image.defer(() => Deno.removeSync(path));
  Deno.createSync(path).close();
  Deno.truncateSync(path, bytes);
  run("mkfs.ext4", "-q", "-F", "-m", "0", path);
  Deno.mkdirSync(at);
  run("mount", "-o", "loop", path, at);
  const mounted = image.move();
  mounted.defer(() => run("umount", at));
  return mounted;
}

let can: boolean | undefined;

/** Whether {@link smallDisk} works here; for `ignore`. */
export function canMountDisk(): boolean {
  return can ??= Deno.uid() === 0 && tryMount();
}

function tryMount(): boolean {
  using folder = testFolder();
  try {
    smallDisk(`${folder.path}/probe`, 1 << 20)[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}
