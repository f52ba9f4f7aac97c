/** Stands for the module of images in a daemon that `chaos` has to find: some backups are not stored. */

import { StoredImages as RealImages } from "../../src/snapshot/mod.ts";

export * from "../../src/snapshot/mod.ts";

type Save = RealImages["saveBackup"];

/** Images of which every third backup is answered as the one before it was, and nothing done. */
export class StoredImages extends RealImages {
  #saves = 0;
  #last: Awaited<ReturnType<Save>> | undefined;

  override async saveBackup(...args: Parameters<Save>): ReturnType<Save> {
    if (++this.#saves % 3 === 0 && this.#last) return this.#last;
    return this.#last = await super.saveBackup(...args);
  }
}
