/**
 * The file `.gitpod/ready` of platforms that were written against the original: processes of a workspace
 * wait until it appears, and read in it what the content was made from (docs/compatibility.md).
 */

import type { Content, Owner } from "../content/mod.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

/** Why an image was restored: the initializer says so, or `init.preferBackup` in its place. */
export type RestoredAs = "initializer" | "preferred backup";

/** Places ready files, and keeps them out of images. */
export class ReadyFile {
  readonly #content: Content;
  readonly #owner: Owner;

  /** @param owner whom the files belong to */
  constructor(content: Content, owner: Owner) {
    this.#content = content;
    this.#owner = owner;
  }

  /**
   * Places the file in a workspace whose content is whole. Where something of the content is in its
   * place, the content stays as it is, and the caller is warned.
   * @param restored what an image was restored for; absent where none was
   */
  async place(
    { tree, record }: Workspace,
    restored: RestoredAs | undefined,
    onWarning: (message: string) => void,
  ): Promise<void> {
    const text = JSON.stringify({ source: sourceOf(record.initializer, restored) });
    try {
      await this.#content.placeReadyFile(tree, text, this.#owner);
    } catch (error) {
      const message = `The file .gitpod/ready could not be placed: ${messageOf(error)}`;
      log.warn("Workspace {id}: {message}", { id: record.id, message });
      onWarning(message);
    }
  }

  /** Removes the file before an image is made; where it cannot be, the image has it. */
  async remove({ tree, id }: Workspace): Promise<void> {
    try {
      await this.#content.removeReadyFile(tree);
    } catch (error) {
      log.warn("Workspace {id}: the file .gitpod/ready could not be removed: {reason}", {
        id,
        reason: messageOf(error),
      });
    }
  }
}

/** Returns the original's word for what content was made from. */
function sourceOf(kind: string | undefined, restored: RestoredAs | undefined): string {
  if (restored === "preferred backup") return "from-backup";
  if (kind === "backup" || kind === "snapshot") return "from-backup";
  return kind === "prebuild" && restored ? "from-prebuild" : "from-other";
}
