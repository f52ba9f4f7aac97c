/** TLS for the API's TCP listeners, with certificates that can be replaced while it runs. */

import { Buffer } from "node:buffer";
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { SecureContextOptions } from "node:tls";
import { ServerCredentials } from "@grpc/grpc-js";
import { DaemonError, messageOf } from "../errors.ts";

/** PEM files' content. */
export interface TlsMaterial {
  /** The server's certificate, followed by its intermediates. */
  cert: Uint8Array;
  key: Uint8Array;
  /** Where there is one, a client needs a certificate from this authority (mTLS). */
  clientCa?: Uint8Array;
}

/**
 * grpc-js' credentials over {@link TlsMaterial}. Whether clients need a certificate is fixed when
 * they are made; which one, and the server's own, is not.
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

function contextOptions(material: TlsMaterial): SecureContextOptions {
  const cert = part("tls.cert", () => new X509Certificate(Buffer.from(material.cert)));
  const key = part("tls.key", () => createPrivateKey(Buffer.from(material.key)));
  if (!cert.checkPrivateKey(key)) {
    throw new DaemonError(
      "INVALID_ARGUMENT",
      "tls.key does not belong to the certificate tls.cert",
    );
  }
  const { clientCa } = material;
  if (clientCa) part("tls.clientCa", () => new X509Certificate(Buffer.from(clientCa)));
  return {
    cert: Buffer.from(material.cert),
    key: Buffer.from(material.key),
    ...(clientCa ? { ca: Buffer.from(clientCa) } : {}),
  };
}

function part<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const problem = `${name} is not usable as PEM: ${messageOf(error)}`;
    throw new DaemonError("INVALID_ARGUMENT", problem, { cause: error });
  }
}
