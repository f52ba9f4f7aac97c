/**
 * Credentials for git. Git runs a helper, which passes each question to the daemon through a socket that
 * it inherits as descriptor 3 and prints the answer: no secret is ever in an argument, in the
 * environment or in a file, and the daemon decides for each host whether it gets one.
 */

import type { Login, Remote } from "./remote.ts";

/** The value of `credential.helper`. */
export const CREDENTIAL_HELPER = '!f() { test "$1" = get || exit 0; { cat; echo; } >&3; ' +
  'while IFS= read -r line <&3 && test -n "$line"; do printf "%s\\n" "$line"; done; }; f';

interface Credential extends Login {
  protocol: string;
  /** With its port, unless that is the protocol's own. */
  host: string;
  path: string;
}

/** Shorter usernames are words, such as `git`; tokens, which may stand in their place, are not. */
const SECRET_USERNAME_LENGTH = 8;

/** The logins that one operation may use, by host. */
export class Credentials {
  readonly #credentials: Credential[] = [];

  /** Adds a login for the host of an http(s) remote; the first added for a host wins. */
  add(remote: Remote, login: Login | undefined): void {
    if (!login || !/^https?$/.test(remote.protocol)) return;
    const { host, pathname } = new URL(remote.url);
    this.#credentials.push({ protocol: remote.protocol, host, path: pathname.slice(1), ...login });
  }

  /** Whether there is no login. */
  get empty(): boolean {
    return this.#credentials.length === 0;
  }

  /** The texts that must not appear in a message. */
  get secrets(): string[] {
    return this.#credentials.flatMap(({ username, password }) => [
      password,
      encodeURIComponent(password),
      ...(username.length < SECRET_USERNAME_LENGTH ? [] : [username, encodeURIComponent(username)]),
      btoa(String.fromCharCode(...new TextEncoder().encode(`${username}:${password}`))),
    ]);
  }

  /**
   * Returns the answer to a question in Git's credential format (git-credential(1), "INPUT/OUTPUT FORMAT");
   * an empty line alone where this host gets none.
   */
  answer(question: string): string {
    const asked = new Map(
      question.split("\n").map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)];
      }),
    );
    const ofHost = this.#credentials.filter(({ protocol, host }) =>
      protocol === asked.get("protocol") && host === asked.get("host")
    );
    const found = ofHost.find(({ path }) => path === asked.get("path")) ?? ofHost[0];
    return found ? `username=${found.username}\npassword=${found.password}\n\n` : "\n";
  }
}

/** Returns `text` without those secrets and without userinfo in URLs. */
export function scrub(text: string, secrets: readonly string[]): string {
  return secrets
    .filter((secret) => secret.length > 2)
    .toSorted((a, b) => b.length - a.length)
    .reduce((clean, secret) => clean.replaceAll(secret, "***"), text)
    .replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/@'"]*@/gi, "$1");
}
