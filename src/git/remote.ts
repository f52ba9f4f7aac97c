/** Parses remotes as callers name them into what git may see: without the secrets in them. */

/** A user and a password for HTTP basic authentication. */
export interface Login {
  username: string;
  password: string;
}

/** A remote repository. */
export interface Remote {
  /** Without userinfo, except the login name that ssh needs. */
  url: string;
  protocol: string;
  /** Absent for `file`; an IPv6 address in brackets. */
  host?: string;
  /** Userinfo that the URL held. */
  login?: Login;
}

const CONTROL = /\p{Cc}/u;
const SCP_LIKE = /^(?:([^@/:\s]+)@)?([^@/:\s[\]]+|\[[^\]\s]+\]):(?!:)(.+)$/;
const HELPER = /^([A-Za-z0-9+.-]+)::/;

/**
 * Parses a remote's URL, or ssh's short form `user@host:path`.
 * @param protocols that may be used
 * @throws {TypeError} whose message says what is wrong, to follow the field's name
 */
export function parseRemote(text: string, protocols: readonly string[]): Remote {
  if (text === "") throw new TypeError("must not be empty");
  if (CONTROL.test(text)) throw new TypeError("must not contain control characters");
  if (text.startsWith("-")) throw new TypeError('must not start with "-"');
  const helper = HELPER.exec(text);
  if (helper) throw refusedProtocol(helper[1]!, protocols);
  const remote = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text) ? parseUrl(text) : parseShort(text);
  if (!protocols.includes(remote.protocol)) throw refusedProtocol(remote.protocol, protocols);
  return remote;
}

function refusedProtocol(protocol: string, protocols: readonly string[]): TypeError {
  return new TypeError(
    `uses the protocol ${protocol.toLowerCase()}, which is not among those allowed here ` +
      `(git.protocols: ${protocols.join(", ")})`,
  );
}

function parseUrl(text: string): Remote {
  const url = URL.parse(text);
  if (!url) throw new TypeError("is not a valid URL");
  const protocol = url.protocol.slice(0, -1);
  if (protocol === "file") return { url: withoutHost(url), protocol };
  if (url.hostname === "" || url.hostname.startsWith("-")) {
    throw new TypeError("must name a host");
  }
  const username = decode(url.username);
  const password = decode(url.password);
  url.password = "";
  if (protocol === "ssh") return { url: url.href, protocol, host: url.hostname };
  url.username = "";
  return {
    url: url.href,
    protocol,
    host: url.hostname,
    ...(username !== "" || password !== "" ? { login: { username, password } } : {}),
  };
}

function withoutHost(url: URL): string {
  if (url.hostname !== "") {
    throw new TypeError("must not name a host, as file URLs are of this node");
  }
  return url.href;
}

function parseShort(text: string): Remote {
  const match = SCP_LIKE.exec(text);
  const host = match?.[2];
  if (host === undefined || host.startsWith("-")) {
    throw new TypeError("must be a URL such as https://example.com/project.git");
  }
  return { url: text, protocol: "ssh", host };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
