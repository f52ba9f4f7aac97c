/** What is compared: ours, what platforms do with tar and zstd, and the well-known backup programs. */

import { join } from "@std/path";
import { bytesIn, type Measure, measureShell } from "./measure.ts";

/** What is measured, in the order in which it happens. */
export const PHASES = ["first", "again", "changed", "restore"] as const;
export type Phase = typeof PHASES[number];

/** One way to save a tree and bring it back; its state begins anew each round. */
export interface Contender {
  readonly name: string;
  /** Phases that it knows; the others would be the first one over again. */
  readonly phases: readonly Phase[];
  /** Begins a round for the tree at `path`. */
  begin(path: string): Promise<void>;
  run(phase: Phase): Promise<Measure>;
  /** Bytes stored by now. */
  stored(): number;
}

export function isInstalled(tool: string): boolean {
  return new Deno.Command("bash", { args: ["-c", `command -v ${tool}`], stdout: "null" })
    .outputSync().success;
}

/**
 * Takes a restored tree out of the way. It is deleted when all is measured: ext4 makes inodes slowly
 * for minutes after many were deleted, passing over each of them.
 */
export async function setAside(path: string, folder: string): Promise<void> {
  const aside = join(folder, "aside");
  await Deno.mkdir(aside, { recursive: true });
  await Deno.rename(path, join(aside, crypto.randomUUID()));
}

/** A contender made of shell commands, which run beside the tree, named `$TREE`. */
abstract class ShellContender implements Contender {
  abstract readonly name: string;
  readonly phases: readonly Phase[] = PHASES;
  #path = "";

  constructor(protected readonly folder: string) {}

  protected abstract readonly prepare: string;
  protected abstract readonly commands: Partial<Record<Phase, string>>;
  protected readonly env: Record<string, string> = {};

  async begin(path: string): Promise<void> {
    this.#path = path;
    await this.#shell(`rm -rf "$STORE" && mkdir "$STORE" && ${this.prepare}`);
  }

  async run(phase: Phase): Promise<Measure> {
    if (phase === "restore") await this.#shell(`mkdir "$OUT"`);
    const measured = await this.#shell(this.commands[phase]!);
    if (phase === "restore") await setAside(this.#out, this.folder);
    return measured;
  }

  stored(): number {
    return bytesIn(join(this.folder, this.name));
  }

  get #out(): string {
    return join(this.folder, "out");
  }

  #shell(script: string): Promise<Measure> {
    const slash = this.#path.lastIndexOf("/");
    return measureShell(script, {
      cwd: this.#path.slice(0, slash),
      env: {
        ...this.env,
        TREE: this.#path.slice(slash + 1),
        STORE: join(this.folder, this.name),
        OUT: this.#out,
      },
    });
  }
}

class TarZstd extends ShellContender {
  readonly name: string = "tar-zstd";
  override readonly phases: readonly Phase[] = ["first", "restore"];
  protected readonly prepare: string = "true";
  protected readonly commands: Partial<Record<Phase, string>> = {
    first: `tar -cf - "$TREE" | zstd -q -1 -T0 > "$STORE/tree.tar.zst"`,
    restore: `zstd -dcq "$STORE/tree.tar.zst" | tar -xpf - -C "$OUT"`,
  };
}

/** The same, with both digests of an OCI layer. */
class TarZstdDigests extends TarZstd {
  override readonly name: string = "tar-zstd-sha256";
  override readonly phases: readonly Phase[] = ["first"];
  protected override readonly commands = {
    first: `tar -cf - "$TREE" | tee >(openssl sha256 > "$STORE/raw") | zstd -q -1 -T0 | ` +
      `tee "$STORE/tree.tar.zst" | openssl sha256 > "$STORE/digest"`,
  };
}

class Restic extends ShellContender {
  readonly name = "restic";
  protected override readonly env = { RESTIC_PASSWORD: "bench", RESTIC_PROGRESS_FPS: "0" };
  protected readonly prepare = `restic -q -r "$STORE" init`;
  protected readonly commands = {
    first: `restic -q -r "$STORE" --no-cache backup "$TREE"`,
    again: `restic -q -r "$STORE" --no-cache backup "$TREE"`,
    changed: `restic -q -r "$STORE" --no-cache backup "$TREE"`,
    restore: `restic -q -r "$STORE" --no-cache restore latest --target "$OUT"`,
  };
}

class Borg extends ShellContender {
  readonly name = "borg";
  protected override readonly env = { BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes" };
  protected readonly prepare = `borg init -e none "$STORE"`;
  protected readonly commands = {
    first: `borg create -C zstd,1 "$STORE::first" "$TREE"`,
    again: `borg create -C zstd,1 "$STORE::again" "$TREE"`,
    changed: `borg create -C zstd,1 "$STORE::changed" "$TREE"`,
    restore: `cd "$OUT" && borg extract "$STORE::changed"`,
  };
}

/** Those that are installed; `folder` is for what they store. */
export function tools(folder: string): Contender[] {
  const found: Contender[] = [];
  if (isInstalled("tar") && isInstalled("zstd")) {
    found.push(new TarZstd(folder));
    if (isInstalled("openssl")) found.push(new TarZstdDigests(folder));
  }
  if (isInstalled("restic")) found.push(new Restic(folder));
  if (isInstalled("borg")) found.push(new Borg(folder));
  return found;
}
