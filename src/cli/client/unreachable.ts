/** Says why no connection to a daemon was made, and what to do about it. */

import { parseAddress } from "../../address.ts";
import type { ClientTls } from "../../client/mod.ts";

/** The meanings of errors of connect(2). */
const CONNECT_ERRORS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  ECONNREFUSED: "nobody listens there",
  EHOSTUNREACH: "there is no way to that host",
  ENOENT: "there is no such socket",
  ENOTSOCK: "it is not a socket",
  EPERM: "permission denied",
  ETIMEDOUT: "that host does not answer",
};

const OWN_CERTIFICATE = "show one that it trusts with --tls-cert and --tls-key";

/** The meanings of failures of a TLS handshake, by the runtime's words for them, and what to do. */
const TLS_ERRORS: readonly [pattern: RegExp, words: string, hint: string][] = [
  [
    /InvalidContentType|wrong version number/,
    "it does not speak TLS",
    "leave the --tls flags out, or check the port",
  ],
  [/CertificateRequired/, "it wants a client's certificate", OWN_CERTIFICATE],
  [
    /unable to verify|UnknownIssuer|self[- ]signed|unable to get (local )?issuer/i,
    "its certificate is from an authority that is not trusted here",
    "name the authority's certificate with --tls-ca",
  ],
  [
    /CERT_HAS_EXPIRED|certificate has expired|CertExpired|: Expired/,
    "its certificate has expired",
    "renew it on the node (wsdaemon doctor), or correct this machine's clock",
  ],
  [
    /NotValidYet|not yet valid/,
    "its certificate is not valid yet",
    "correct this machine's clock, or the node's",
  ],
  [
    /ALTNAME_INVALID|NotValidForName/,
    "its certificate is for another name",
    "say which name to expect with --tls-server-name",
  ],
  [
    /fatal alert: (UnknownCA|BadCertificate|DecryptError|CertificateExpired|CertificateUnknown|AccessDenied)/,
    "it does not accept this client's certificate",
    OWN_CERTIFICATE,
  ],
];

/** Matches the message for a server that closed the connection without an answer. */
const HUNG_UP = /Failed to connect$/;

/**
 * Returns why a daemon was not reached, and what to do about it. Where a connection in the clear was
 * closed, asks the address what it is.
 * @param message of the client's error
 */
export async function explainUnreachable(
  message: string,
  addr: string,
  tls: ClientTls | undefined,
): Promise<string> {
  const meaning = TLS_ERRORS.find(([pattern]) => pattern.test(message));
  if (meaning) return `Cannot use the daemon at ${addr}: ${meaning[1]}; ${meaning[2]}`;
  if (/\bEACCES\b|\bEPERM\b/.test(message)) {
    const hint = "run it as a user or group that may open the socket (unixSocket.group and " +
      "unixSocket.mode of the daemon's config; 0660 unless given)";
    return `${inWords(message)}; ${hint}`;
  }
  if (!HUNG_UP.test(message)) {
    return `${inWords(message)}; see that it runs there, or say where with --addr or WSDAEMON_ADDR`;
  }
  return tls ? `${message}; ${hungUpHint(tls)}` : await inTheClear(message, addr);
}

function hungUpHint({ cert }: ClientTls): string {
  return cert
    ? "it closed the connection: see that the certificate of --tls-cert is from the authority that " +
      "it trusts"
    : `it closed the connection: where it wants a client's certificate, ${OWN_CERTIFICATE}`;
}

async function inTheClear(message: string, addr: string): Promise<string> {
  const { whatAnswers } = await import("../../client/mod.ts");
  const answer = await whatAnswers(parseAddress(addr));
  const there = `Cannot use the daemon at ${addr}: `;
  if (answer === "tls") return `${there}it serves TLS; connect with --tls or --tls-ca`;
  if (answer === "http1") return `${there}that is a web server; ${CHECK_PORT}`;
  return `${message}; where it serves TLS, connect with --tls or --tls-ca; else ${CHECK_PORT}`;
}

const CHECK_PORT = "check the port (metrics.listen is not the API's)";

/**
 * Matches grpc-js' messages about answers that are none of gRPC's: no status, HTTP's, or a body, whose
 * first characters it takes for a length.
 */
const NO_GRPC = /without gRPC status|Received HTTP|Received message larger than max/i;

/** Matches the message for a call of operators where they are not served. */
const NO_OPERATIONS = /does not implement the method \/wsdaemon\.operations\./;

/** Returns what to add to the message of a failed call whose server is not the one that was meant. */
export function serverHint({ code, message }: { code: string; message: string }): string {
  if (NO_GRPC.test(message)) return `; that is no gRPC server: ${CHECK_PORT}`;
  return code === "UNIMPLEMENTED" && NO_OPERATIONS.test(message)
    ? "; where the daemon's config has operations.listen, operators' calls are served there alone: " +
      "say where with --addr"
    : "";
}

/** Replaces the name of a connect(2) error in a message by its meaning. */
function inWords(message: string): string {
  return message.replace(
    /connect (E[A-Z]+) \S+/,
    (all, errno: string) => CONNECT_ERRORS[errno] ? `${CONNECT_ERRORS[errno]} (${errno})` : all,
  );
}
