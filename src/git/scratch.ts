/** Private temporary folders for git's home and for copies of what it reads. */

import { rootCertificates } from "node:tls";
import { join } from "@std/path";
import type { Owner } from "../content/mod.ts";
import { removeIfThere } from "../remove_if_there.ts";
import { globalConfig } from "./git_environment.ts";

/** Other users may search the parent but not list it, so they cannot find a scratch folder's name. */
const PARENT_MODE = 0o711;

/** The file of authorities in a scratch folder. */
const AUTHORITIES = "home/authorities.pem";

/** A private folder, removed with its content when it is disposed of. */
export class Scratch implements AsyncDisposable {
  readonly path: string;
  readonly #user: Owner | undefined;

  private constructor(path: string, user: Owner | undefined) {
    this.path = path;
    this.#user = user;
  }

  /**
   * Makes a folder in `folder` that git can read as `user`, with a home for it.
   * @param options.silence see {@link globalConfig}
   * @param options.authorities PEM certificates to trust besides Mozilla's, in place of the system's
   */
  static async make(
    folder: string,
    user: Owner | undefined,
    { silence, authorities }: { silence?: number | undefined; authorities?: string | undefined } =
      {},
  ): Promise<Scratch> {
    await makeFolder(folder);
    await Deno.chmod(folder, PARENT_MODE);
    const scratch = new Scratch(join(folder, crypto.randomUUID()), user);
    await scratch.folder("");
    await scratch.folder("home");
    if (authorities !== undefined) {
      // Git trusts one file alone.
      await scratch.write(AUTHORITIES, [...rootCertificates, authorities, ""].join("\n"));
    }
    const trust = authorities === undefined ? {} : { authorities: join(scratch.path, AUTHORITIES) };
    await scratch.write("home/.gitconfig", globalConfig({ silence, ...trust }));
    return scratch;
  }

  /** The absolute path of git's home. */
  get home(): string {
    return join(this.path, "home");
  }

  /** Makes a folder in it. @returns its absolute path */
  async folder(name: string): Promise<string> {
    const path = join(this.path, name);
    await makeFolder(path);
    await this.#give(path, 0o700);
    return path;
  }

  /** Writes a file in it. */
  async write(name: string, text: string | Uint8Array): Promise<void> {
    const path = join(this.path, name);
    await Deno.writeFile(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
    await this.#give(path, 0o600);
  }

  /** Moves a file into it. */
  async adopt(from: string, name: string): Promise<void> {
    const path = join(this.path, name);
    await Deno.rename(from, path);
    await this.#give(path, 0o600);
  }

  /** Removes a file of it, if it exists. */
  async remove(name: string): Promise<void> {
    await removeIfThere(join(this.path, name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }

  async #give(path: string, mode: number): Promise<void> {
    await Deno.chmod(path, mode);
    if (this.#user) await Deno.chown(path, this.#user.uid, this.#user.gid);
  }
}

/** Makes a folder unless it exists. Makes no parents, or a root that was moved away would be made anew. */
async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}
