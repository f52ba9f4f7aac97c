/** What is compared: ours, what platforms do with tar and zstd, and the well-known backup programs. */

import { join } from "@std/path";
import type { AsideFolder } from "./aside_folder.ts";
import { bytesIn, type Measure, measureShell } from "./measure.ts";

/** What is measured, in the order in which it happens. */
export const PHASES = ["first", "nothing", "changed", "restore", "restore-again"] as const;
export type Phase = typeof PHASES[number];

/** All that can be compared; those that are not installed are left out. */
export const TOOL_NAMES = ["wsdaemon", "tar-zstd", "tar-zstd-sha256", "restic", "borg"] as const;

/** One way to save a tree and bring it back; its state begins anew each round. */
export interface Contender {
  readonly name: string;
  /** Phases that it knows; the others would be the first one over again. */
  readonly phases: readonly Phase[];
  /** Where it keeps what it has saved. */
  readonly store: string;
  /** Deletes what it has stored. */
  clear(): Promise<void>;
  /** Begins a round for the tree at `path`. */
  begin(path: string): Promise<void>;
  /** Does it, until what it has made is durable. */
  run(phase: Phase): Promise<Measure>;
  /** Bytes stored by now. */
  stored(): number;
}

export function isInstalled(tool: string): boolean {
  return new Deno.Command("bash", { args: ["-c", `command -v ${tool}`], stdout: "null" })
    .outputSync().success;
}

/** Where contenders work. */
export interface Places {
  /** A folder for what is stored and restored. */
  readonly folder: string;
  /** Takes restored trees. */
  readonly aside: AsideFolder;
}

/** What a contender made of shell commands does in a phase. */
interface Commands {
  readonly run: string;
  /** What makes durable what it has written, where it does not do that itself. */
  readonly sync?: string;
}

const SYNC_OUT = `sync -f "$OUT"`;

/** A contender made of shell commands, which run beside the tree, named `$TREE`. */
abstract class ShellContender implements Contender {
  abstract readonly name: string;
  readonly phases: readonly Phase[] = PHASES;
  readonly #places: Places;
  #path = "";

  constructor(places: Places) {
    this.#places = places;
  }

  protected abstract readonly prepare: string;
  protected abstract commands(phase: Phase): Commands;
  protected readonly env: Record<string, string> = {};

  get store(): string {
    return join(this.#places.folder, this.name);
  }

  async begin(path: string): Promise<void> {
    this.#path = path;
    await this.clear();
    await this.#shell(`mkdir "$STORE" && ${this.prepare}`);
  }

  async clear(): Promise<void> {
    await this.#shell(`rm -rf "$STORE"`);
  }

  async run(phase: Phase): Promise<Measure> {
    const isRestore = phase === "restore" || phase === "restore-again";
    if (isRestore) await this.#shell(`mkdir "$OUT"`);
    const { run, sync } = this.commands(phase);
    const ran = await this.#shell(run);
    const synced = sync === undefined ? undefined : await this.#shell(sync);
    if (isRestore) await this.#places.aside.take(this.#out);
    if (!synced) return ran;
    return {
      wall: ran.wall + synced.wall,
      unsynced: ran.wall,
      cpu: ran.cpu + synced.cpu,
      memory: Math.max(ran.memory, synced.memory),
    };
  }

  stored(): number {
    return bytesIn(this.store);
  }

  get #out(): string {
    return join(this.#places.folder, "out");
  }

  #shell(script: string): Promise<Measure> {
    const slash = this.#path.lastIndexOf("/");
    return measureShell(script, {
      cwd: this.#path.slice(0, slash),
      env: {
        ...this.env,
        TREE: this.#path.slice(slash + 1),
        STORE: this.store,
        OUT: this.#out,
      },
    });
  }
}

class TarZstd extends ShellContender {
  readonly name: string = "tar-zstd";
  override readonly phases: readonly Phase[] = ["first", "restore", "restore-again"];
  protected readonly prepare: string = "true";
  protected commands(phase: Phase): Commands {
    return phase === "first"
      ? {
        run: `tar -cf - "$TREE" | zstd -q -1 -T0 > "$STORE/tree.tar.zst"`,
        sync: `sync "$STORE/tree.tar.zst" "$STORE"`,
      }
      : { run: `zstd -dcq "$STORE/tree.tar.zst" | tar -xpf - -C "$OUT"`, sync: SYNC_OUT };
  }
}

/** The same, with both digests of an OCI layer. */
class TarZstdDigests extends TarZstd {
  override readonly name: string = "tar-zstd-sha256";
  override readonly phases: readonly Phase[] = ["first"];
  protected override readonly prepare = `mkfifo "$STORE/raw"`;
  protected override commands(): Commands {
    return {
      run: `openssl sha256 < "$STORE/raw" > "$STORE/raw.digest" &\n` +
        `tar -cf - "$TREE" | tee "$STORE/raw" | zstd -q -1 -T0 | ` +
        `tee "$STORE/tree.tar.zst" | openssl sha256 > "$STORE/digest"\nwait`,
      sync: `sync "$STORE/tree.tar.zst" "$STORE"`,
    };
  }
}

/** It syncs what it stores by itself, and nothing that it restores. */
class Restic extends ShellContender {
  readonly name = "restic";
  protected override readonly env = { RESTIC_PASSWORD: "bench", RESTIC_PROGRESS_FPS: "0" };
  protected readonly prepare = `restic -q -r "$STORE" init`;
  protected commands(phase: Phase): Commands {
    const restic = `restic -q -r "$STORE" --no-cache`;
    return phase === "restore" || phase === "restore-again"
      ? { run: `${restic} restore latest --target "$OUT"`, sync: SYNC_OUT }
      : { run: `${restic} backup "$TREE"` };
  }
}

/** The same goes for it. */
class Borg extends ShellContender {
  readonly name = "borg";
  protected override readonly env = { BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes" };
  protected readonly prepare = `borg init -e none "$STORE"`;
  protected commands(phase: Phase): Commands {
    if (phase !== "restore" && phase !== "restore-again") {
      return { run: `borg create -C zstd,1 "$STORE::${phase}" "$TREE"` };
    }
    const last = `$(borg list --short --last 1 "$STORE")`;
    return { run: `cd "$OUT" && borg extract "$STORE::${last}"`, sync: SYNC_OUT };
  }
}

/** Returns those that are installed, by name. */
export function tools(places: Places): Contender[] {
  const found: Contender[] = [];
  if (isInstalled("tar") && isInstalled("zstd")) {
    found.push(new TarZstd(places));
    if (isInstalled("openssl")) found.push(new TarZstdDigests(places));
  }
  if (isInstalled("restic")) found.push(new Restic(places));
  if (isInstalled("borg")) found.push(new Borg(places));
  return found;
}
