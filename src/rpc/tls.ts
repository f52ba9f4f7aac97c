/** Provides TLS for the API's TCP listeners, with certificates that can be replaced while it runs. */

import { Buffer } from "node:buffer";
import type { SecureContextOptions } from "node:tls";
import { ServerCredentials } from "@grpc/grpc-js";
import { checkTlsMaterial, type TlsMaterial } from "../certificates.ts";
import { DaemonError } from "../errors.ts";

export type { TlsMaterial };

/**
 * grpc-js' credentials over {@link TlsMaterial}. Whether clients need a certificate is fixed when they
 * are made; the authority of clients and the server's own certificate can be replaced.
 */
export class TlsCredentials extends ServerCredentials {
  readonly #mutual: boolean;

  /** @throws {DaemonError} INVALID_ARGUMENT naming the part that cannot be used. */
  constructor(material: TlsMaterial) {
    const mutual = material.clientCa !== undefined;
    super(
      { requestCert: mutual, rejectUnauthorized: mutual, minVersion: "TLSv1.2" },
      contextOptions(material),
    );
    this.#mutual = mutual;
  }

  /**
   * Uses other certificates for connections made from now on.
   * @throws {DaemonError} INVALID_ARGUMENT; the old ones then stay in use.
   */
  replace(material: TlsMaterial): void {
    if (this.#mutual !== (material.clientCa !== undefined)) {
      const problem = "Cannot turn client certificates on or off while serving: restart instead";
      throw new DaemonError("INVALID_ARGUMENT", problem);
    }
    this.updateSecureContextOptions(contextOptions(material));
  }

  override _equals(other: ServerCredentials): boolean {
    return other === this;
  }
}

/** Checks the material. @throws {DaemonError} INVALID_ARGUMENT naming the part that cannot be used */
function contextOptions(material: TlsMaterial): SecureContextOptions {
  checkTlsMaterial(material, Date.now());
  const { clientCa } = material;
  return {
    cert: Buffer.from(material.cert),
    key: Buffer.from(material.key),
    ...(clientCa ? { ca: Buffer.from(clientCa) } : {}),
  };
}
