/** TLS for the API's TCP listeners, with certificates that can be replaced while it runs. */

import { Buffer } from "node:buffer";
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { SecureContextOptions } from "node:tls";
import { ServerCredentials } from "@grpc/grpc-js";
import { DaemonError, messageOf } from "../errors.ts";

/** Certificates and key of the server; each part is the content of a PEM file. */
export interface TlsMaterial {
  /** The server's certificate, followed by its intermediates. */
  cert: Uint8Array;
  key: Uint8Array;
  /** The authority that must have issued a client's certificate (mTLS); without it none is needed. */
  clientCa?: Uint8Array;
  /** Paths of the files that the parts are from, for messages. */
  files?: Partial<Record<Part, string>>;
}

type Part = "cert" | "key" | "clientCa";

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

/** Matches the PEM of an encrypted key, in the form of PKCS #8 and in the older one. */
const ENCRYPTED = /^-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;

function contextOptions(material: TlsMaterial): SecureContextOptions {
  if (ENCRYPTED.test(new TextDecoder().decode(material.key))) {
    throw new DaemonError(
      "INVALID_ARGUMENT",
      `${nameOf("key", material)} is encrypted: give a key without a passphrase`,
    );
  }
  const cert = parsed("cert", material, (pem) => new X509Certificate(pem));
  const key = parsed("key", material, (pem) => createPrivateKey(pem));
  if (!cert.checkPrivateKey(key)) {
    throw new DaemonError(
      "INVALID_ARGUMENT",
      `${nameOf("key", material)} does not belong to the certificate ${nameOf("cert", material)}`,
    );
  }
  const { clientCa } = material;
  if (clientCa) parsed("clientCa", material, (pem) => new X509Certificate(pem));
  return {
    cert: Buffer.from(material.cert),
    key: Buffer.from(material.key),
    ...(clientCa ? { ca: Buffer.from(clientCa) } : {}),
  };
}

function parsed<T>(part: Part, material: TlsMaterial, parse: (pem: Buffer) => T): T {
  try {
    return parse(Buffer.from(material[part]!));
  } catch (error) {
    const problem = `${nameOf(part, material)} is not usable as PEM: ${messageOf(error)}`;
    throw new DaemonError("INVALID_ARGUMENT", problem, { cause: error });
  }
}

function nameOf(part: Part, { files }: TlsMaterial): string {
  const path = files?.[part];
  return path === undefined ? `tls.${part}` : `tls.${part} (${path})`;
}
