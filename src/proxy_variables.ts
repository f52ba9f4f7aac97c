/**
 * The environment's say in how connections are made, which nothing of ours may listen to: `NO_PROXY`
 * leads `fetch` past the gate even where a client names the gate as its proxy, and a proxy from the
 * environment would be handed what goes to the object store.
 */

/** What Deno's and Node's HTTP clients read each time that one is made or used. */
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

/** Takes the variables from this process, all its threads included. */
export function clearProxyVariables(): void {
  for (const name of PROXY_VARIABLES) if (Deno.env.has(name)) Deno.env.delete(name);
}
