/** Mounts for tests; they need root, and a machine that lets root mount. */

import { testFolder } from "./folder.ts";

function run(command: string, ...args: string[]): boolean {
  return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
}

function mounted(args: string[], at: string): Disposable {
  if (!run("mount", ...args, at)) throw new Error(`cannot mount at ${at}`);
  const { dev, ino } = Deno.statSync(at);
  return {
    [Symbol.dispose]() {
      // Found again by what it is: the folder above it may have been renamed.
      for (const line of Deno.readTextFileSync("/proc/self/mounts").split("\n")) {
        const path = line.split(" ")[1];
        if (!path?.includes("wsdaemon-")) continue;
        const info = Deno.statSync(path);
        if (info.dev === dev && info.ino === ino) run("umount", path);
      }
    },
  };
}

/** Shows the folder `from` at the folder `at`, too. */
export function bindMount(from: string, at: string): Disposable {
  return mounted(["--bind", from], at);
}

/** An empty file system of that size at the folder `at`. */
export function smallFileSystem(at: string, bytes: number): Disposable {
  return mounted(["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs"], at);
}

/** Whether this machine lets us mount; for `ignore`. */
export function canMount(): boolean {
  if (Deno.uid() !== 0) return false;
  using folder = testFolder();
  try {
    smallFileSystem(folder.path, 65536)[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}
