/**
 * The environment variables that configure proxies, none of which may take effect: `NO_PROXY` makes
 * `fetch` bypass the egress proxy even where a client names it as its proxy, and a proxy from the
 * environment would receive what goes to the object store.
 */

/** The variables that the HTTP clients of Deno and Node read whenever one is made or used. */
export const PROXY_VARIABLES: readonly string[] = [
  "ALL_PROXY",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "NODE_USE_ENV_PROXY",
  "all_proxy",
  "http_proxy",
  "https_proxy",
  "no_proxy",
];

/** Deletes the variables from the environment of this process, which all its threads share. */
export function clearProxyVariables(): void {
  for (const name of PROXY_VARIABLES) if (Deno.env.has(name)) Deno.env.delete(name);
}
