/**
 * The certificates that the API is served with: read, checked before they are used, and watched for their
 * end. Formats are PEM; every problem names the key of the config and the file.
 */

import { Buffer } from "node:buffer";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { DaemonError, explainPath } from "./errors.ts";

/** Paths of the PEM files. */
export interface TlsFiles {
  cert: string;
  key: string;
  clientCa?: string;
}

/** Certificates and key of the server; each part is the content of a PEM file. */
export interface TlsMaterial {
  /** The server's certificate, followed by its intermediates. */
  cert: Uint8Array;
  key: Uint8Array;
  /** The authority that must have issued a client's certificate (mTLS); without it none is needed. */
  clientCa?: Uint8Array;
  /** Paths of the files that the parts are from, for messages. */
  files?: Partial<Record<TlsPart, string>>;
}

/** A part of {@link TlsMaterial}, by its key in the config. */
export type TlsPart = "cert" | "key" | "clientCa";

/** A certificate, and when it ends. */
export interface CertificateExpiry {
  part: "cert" | "clientCa";
  /** The key of the config and the file, for messages. */
  name: string;
  /** Path of the file; empty where the material is of none. */
  path: string;
  /** Whose certificate it is, such as `CN=node-7`. */
  subject: string;
  /** Milliseconds since the epoch. */
  notBefore: number;
  notAfter: number;
}

/** How long before its end a certificate is warned of. Milliseconds. */
export const EXPIRY_WARNING_MS = 14 * 86_400_000;

/** Matches the PEM of an encrypted key, in the form of PKCS #8 and in the older one. */
const ENCRYPTED = /^-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;

const PRIVATE_KEY = /^-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/m;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** What to put in place of a file that is none of its kind. */
const REMEDIES: Readonly<Record<TlsPart, string>> = {
  cert: "name a PEM file with the certificate and its intermediates",
  key: "name the PEM file of the certificate's private key",
  clientCa: "name a PEM file with the certificates of clients' authorities",
};

/** Reads the files. @throws {DaemonError} FAILED_PRECONDITION naming the one that cannot be read */
export function readTlsMaterial(files: TlsFiles): TlsMaterial {
  const { cert, key, clientCa } = files;
  return {
    files,
    cert: readPem("cert", cert),
    key: readPem("key", key),
    ...(clientCa === undefined ? {} : { clientCa: readPem("clientCa", clientCa) }),
  };
}

function readPem(part: TlsPart, path: string): Uint8Array {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot read ${path} (tls.${part}): ${explainPath(error, path)}`,
      { cause: error },
    );
  }
}

/**
 * Checks that clients can be served with the material: every part is PEM of the right kind, the key
 * belongs to the certificate and needs no passphrase, and neither the certificate nor every authority of
 * clients has expired.
 * @param now milliseconds since the epoch
 * @throws {DaemonError} INVALID_ARGUMENT naming the part that cannot be used
 */
export function checkTlsMaterial(material: TlsMaterial, now: number): void {
  const { cert: [cert], clientCa } = parse(material);
  const pem = requirePem("key", material.key, material);
  if (ENCRYPTED.test(pem)) {
    throw unusable(`${nameOf("key", material)} is encrypted: give a key without a passphrase`);
  }
  if (!PRIVATE_KEY.test(pem)) {
    throw unusable(`${nameOf("key", material)} holds no private key; ${REMEDIES.key}`);
  }
  const key = parsed("key", material, () => createPrivateKey(Buffer.from(material.key)));
  if (!cert!.checkPrivateKey(key)) {
    throw unusable(
      `${nameOf("key", material)} does not belong to the certificate ${nameOf("cert", material)}`,
    );
  }
  if (endOf(cert!) <= now) throw expired("cert", material, cert!);
  const lasting = clientCa?.some((authority) => endOf(authority) > now) ?? true;
  if (!lasting) throw expired("clientCa", material, clientCa![0]!);
}

/**
 * Returns when the server's certificate and each authority of clients ends, soonest first. Intermediates
 * count as what they are part of.
 * @throws {DaemonError} INVALID_ARGUMENT naming the part that is no certificate
 */
export function certificateExpiries(material: TlsMaterial): CertificateExpiry[] {
  const { cert, clientCa = [] } = parse(material);
  const all = [
    ...cert.map((one) => ({ part: "cert" as const, one })),
    ...clientCa.map((one) => ({ part: "clientCa" as const, one })),
  ];
  return all.map(({ part, one }) => ({
    part,
    name: nameOf(part, material),
    path: material.files?.[part] ?? "",
    subject: subjectOf(one),
    notBefore: Date.parse(one.validFrom),
    notAfter: endOf(one),
  })).sort((a, b) => a.notAfter - b.notAfter);
}

/** Returns the warning about a certificate that has ended, ends soon or is not yet valid. */
export function expiryWarning(expiry: CertificateExpiry, now: number): string | undefined {
  const { name, subject, notBefore, notAfter } = expiry;
  const what = `the certificate of ${subject} in ${name}`;
  if (notAfter <= now) return `${what} expired on ${day(notAfter)}: replace it`;
  if (notBefore > now) {
    return `${what} is not valid before ${
      new Date(notBefore).toISOString()
    }: check this node's clock`;
  }
  if (notAfter - now > EXPIRY_WARNING_MS) return undefined;
  const days = Math.floor((notAfter - now) / 86_400_000);
  return `${what} expires on ${day(notAfter)}, in ${days} days: renew it and send wsdaemon SIGHUP`;
}

function parse(material: TlsMaterial): { cert: X509Certificate[]; clientCa?: X509Certificate[] } {
  const { clientCa } = material;
  return {
    cert: certificatesIn("cert", material.cert, material),
    ...(clientCa ? { clientCa: certificatesIn("clientCa", clientCa, material) } : {}),
  };
}

/** Returns the certificates of a PEM file, of which there is at least one. */
function certificatesIn(part: TlsPart, pem: Uint8Array, material: TlsMaterial): X509Certificate[] {
  const blocks = requirePem(part, pem, material).match(CERTIFICATE);
  if (!blocks) throw unusable(`${nameOf(part, material)} holds no certificate; ${REMEDIES[part]}`);
  return parsed(part, material, () => blocks.map((one) => new X509Certificate(one)));
}

/** Returns a part's text. @throws {DaemonError} INVALID_ARGUMENT where it is no PEM at all */
function requirePem(part: TlsPart, bytes: Uint8Array, material: TlsMaterial): string {
  const text = new TextDecoder().decode(bytes);
  if (text.includes("-----BEGIN ")) return text;
  const why = text.trim() === "" ? "is empty" : "is not PEM";
  throw unusable(`${nameOf(part, material)} ${why}; ${REMEDIES[part]}`);
}

function parsed<T>(part: TlsPart, material: TlsMaterial, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const problem = `${nameOf(part, material)} is damaged: its PEM cannot be decoded`;
    throw new DaemonError("INVALID_ARGUMENT", `${problem}; ${REMEDIES[part]}`, { cause: error });
  }
}

function expired(part: TlsPart, material: TlsMaterial, certificate: X509Certificate): DaemonError {
  return unusable(
    `${nameOf(part, material)}, the certificate of ${subjectOf(certificate)}, expired on ` +
      `${day(endOf(certificate))}: renew it, or correct this node's clock`,
  );
}

function unusable(problem: string): DaemonError {
  return new DaemonError("INVALID_ARGUMENT", problem);
}

function nameOf(part: TlsPart, { files }: TlsMaterial): string {
  const path = files?.[part];
  return path === undefined ? `tls.${part}` : `tls.${part} (${path})`;
}

function subjectOf({ subject }: X509Certificate): string {
  return subject.replaceAll("\n", ", ") || "nobody";
}

function endOf({ validTo }: X509Certificate): number {
  return Date.parse(validTo);
}

function day(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}

/**
 * Reads a PEM file of certificates to trust.
 * @param key the config's key that names it, for messages
 * @throws {DaemonError} FAILED_PRECONDITION where it cannot be read, or holds none
 */
export function readAuthorities(path: string, key: string): string {
  let pem: string;
  try {
    pem = Deno.readTextFileSync(path);
  } catch (cause) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot read ${key} ${path}: ${explainPath(cause, path)}`,
      { cause },
    );
  }
  if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `${key} ${path} holds no certificate; name a PEM file with -----BEGIN CERTIFICATE-----`,
  );
}
