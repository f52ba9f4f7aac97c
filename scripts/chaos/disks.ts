/** The disks of a chaos run, whose power can be cut. */

import { basename, join } from "@std/path";
import { type DiskKind, smallDisk } from "../../tests/e2e/disk.ts";
import { eventually } from "../../tests/fixtures/eventually.ts";

/** Of a disk that can be filled. */
const NODE_BYTES = 512 << 20;
/** Of the disk that an embedded store is on, which all nodes share. */
const STORE_BYTES = 4 * 1024 ** 3;

/** Whether what was not synced can be made to vanish from file systems of this kind. */
export function canLosePower(kind: "dir" | DiskKind): boolean {
  return kind === "ext4" || kind === "xfs";
}

/** File systems in files, mounted below one folder. */
export class Disks implements Disposable {
  readonly #stack = new DisposableStack();
  readonly #paths: string[] = [];

  constructor(readonly kind: "dir" | DiskKind) {}

  /** Makes a disk at a new folder. */
  add(path: string, use: "node" | "store"): void {
    if (this.kind === "dir") return Deno.mkdirSync(path);
    this.#stack.use(smallDisk(path, use === "node" ? NODE_BYTES : STORE_BYTES, this.kind));
    this.#paths.push(path);
  }

  /** Makes durable what is on them. */
  async sync(): Promise<void> {
    for (const path of this.#paths) await run("sync", "--file-system", path);
  }

  /** Takes all disks away with what was not synced, and mounts them again. Nobody may use them. */
  async cutPower(): Promise<void> {
    for (const path of this.#paths) await run("xfs_io", "-x", "-c", "shutdown", path);
    for (const path of this.#paths) {
      // A child of a daemon that was killed may live a moment longer.
      await eventually(() => run("umount", path));
      await eventually(() => isLoose(`${path}.img`));
      await run("mount", "-o", "loop", `${path}.img`, path);
    }
  }

  /** Copies what is on them to a folder, for whoever looks for the cause of a failure. */
  async keep(folder: string): Promise<void> {
    for (const path of this.#paths) {
      await run("cp", "-a", path, join(folder, `kept-${basename(path)}`));
    }
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

/**
 * Checks that no loop device has the image any more. While another mount namespace still shows the file
 * system, mounting the image would give back the one that has no power.
 */
async function isLoose(image: string): Promise<void> {
  const { stdout } = await new Deno.Command("losetup", { args: ["-j", image] }).output();
  const devices = new TextDecoder().decode(stdout);
  if (devices !== "") throw new Error(`still in use: ${devices}`);
}

async function run(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args }).output();
  if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
}
