/**
 * The second check of an upload. Some servers do not look at Content-MD5; most answer with an ETag
 * that is the MD5 of what they stored. But nobody promises that, so that is found out.
 */

import { logger } from "../../log.ts";

const log = logger("store");

/** Wrong ETags in a row, before any right one, that show a server's ETags to be no MD5. */
const TELLING = 3;

/** What is known of one server's ETags. */
export class EtagCheck {
  #areMd5: boolean | undefined;
  #wrong = 0;

  /** @param usable False where encryption makes ETags something else. */
  constructor(usable: boolean) {
    if (!usable) this.#areMd5 = false;
  }

  /** @throws where the server has stored other bytes than those with this MD5 (hexadecimal). */
  verify(etag: string | undefined, md5: string): void {
    const value = etag?.replaceAll('"', "").toLowerCase() ?? "";
    if (this.#areMd5 === false || !/^[0-9a-f]{32}$/.test(value)) return;
    if (value === md5) {
      this.#areMd5 = true;
      return;
    }
    if (this.#areMd5 === undefined && ++this.#wrong === TELLING) {
      this.#areMd5 = false;
      log.info("The store's ETags are no MD5: uploads rest on its own check of Content-MD5");
      return;
    }
    throw new Error("the store took other bytes than were sent");
  }
}
