/** Checks uploads by the ETags that a server answers. */

import { logger } from "../../log/mod.ts";
import type { StoreOptions } from "../object_store.ts";
import { AlteredUploadError } from "./s3_errors.ts";

const log = logger("store");

/** Stores something small, reads it back, and resolves to whether its ETag was its MD5. */
export type EtagProbe = (options: StoreOptions) => Promise<boolean>;

/** Checks uploads to one server, and learns whether its ETags are MD5s. */
export class EtagCheck {
  #areMd5: boolean | undefined;
  readonly #probe: EtagProbe;

  /** @param areMd5 false where encryption is known to make ETags something else */
  constructor(areMd5: false | undefined, probe: EtagProbe) {
    this.#areMd5 = areMd5;
    this.#probe = probe;
  }

  /**
   * Returns whether the ETag proves that bytes with this MD5 (hexadecimal) were stored; false where
   * ETags prove nothing.
   * @throws {AlteredUploadError} where other bytes were stored; what the probe throws
   */
  async verify(etag: string | undefined, md5: string, options: StoreOptions): Promise<boolean> {
    if (isMd5(etag, md5)) {
      this.#areMd5 = true;
      return true;
    }
    if (this.#areMd5 === false || !/^"?[0-9a-f]{32}"?$/i.test(etag ?? "")) return false;
    if (await this.#probe(options)) {
      throw new AlteredUploadError(
        "it stored other bytes than were sent: something on the way changes them",
      );
    }
    log.info("The store's ETags are no MD5: uploads rest on its own check of Content-MD5");
    this.#areMd5 = false;
    return false;
  }
}

/** Returns whether an ETag is this MD5 (hexadecimal). */
export function isMd5(etag: string | undefined, md5: string): boolean {
  return etag?.replaceAll('"', "").toLowerCase() === md5;
}
