/**
 * Computes from the config what each kind of Worker may do. The functions are pure, so that a test can
 * tell for every config what it permits.
 */

import { isIPv6 } from "node:net";
import { type Config, grpcAddresses } from "../config/mod.ts";
import { PROXY_VARIABLES } from "../proxy_variables.ts";
import { EGRESS_PROXY_HOST } from "../outbound/mod.ts";
import { parseAddress } from "../address.ts";
import { storeFiles, storeFolder, storePermissions } from "../store/mod.ts";
import { rpcPermissions } from "./rpc_permissions.ts";

/** Permissions of every kind: a kind that is left out of a Worker's options would be inherited. */
export type Permissions = Required<Deno.PermissionOptionsObject>;

const NOTHING: Permissions = {
  env: false,
  ffi: false,
  import: false,
  net: false,
  read: false,
  run: false,
  sys: false,
  write: false,
};

/** Returns the permissions of a content Worker: it loads libc, by which it reaches the areas, and no more. */
export function contentPermissions(libc: string): Permissions {
  return { ...NOTHING, ffi: [libc] };
}

/**
 * Returns the permissions of the daemon Worker. `config` has its listeners' names looked up, `programs` are the absolute paths
 * of what it runs, `env` this process's environment (it says where a role's credentials are),
 * `configFile` the absolute path of what SIGHUP has read again.
 *
 * Downloads may come from any host, so connections can be narrowed only where `net.allowHosts` does
 * it; what must never be reached (metadata services, loopback, `net.denyHosts`) is refused by
 * the initializers, address by address.
 */
export function daemonPermissions(
  config: Config,
  programs: readonly string[],
  env: Readonly<Record<string, string>>,
  configFile?: string,
): Permissions {
  const rpc = rpcPermissions(grpcAddresses(config).map(parseAddress));
  const store = storePermissions(config.storage, (name) => env[name]);
  const folder = storeFolder(config.storage);
  const folders = folder ? [config.root, folder.path] : [config.root];
  return {
    ...NOTHING,
    read: unique([
      ...folders,
      ...rpc.read,
      ...store.read,
      ...secretFiles(config),
      ...configFile === undefined ? [] : [configFile],
    ]),
    write: unique([...folders, ...rpc.write]),
    run: programs.length > 0 ? [...programs] : false,
    net: config.net.allowHosts.length === 0 ? true : unique([
      ...rpc.net,
      ...(config.metrics.listen === undefined ? [] : [config.metrics.listen]),
      ...store.net,
      ...hostOf(config.tracing.endpoint),
      ...hostOf(config.net.proxy),
      EGRESS_PROXY_HOST,
      ...config.net.allowHosts.map((host) => isIPv6(host) ? `[${host}]` : host),
    ]),
    env: unique([...rpc.env, ...store.env, ...PROXY_VARIABLES]),
    // To read how much space is free, for errors about a full disk, and whom the runtime trusts.
    sys: unique(["statfs", ...store.sys, ...config.net.caFile === undefined ? [] : ["ca"]]),
  };
}

/** Returns an http(s) URL's server as `host:port`. */
function hostOf(url: string | undefined): string[] {
  if (url === undefined) return [];
  const { protocol, hostname, port } = new URL(url);
  return [`${hostname}:${port || (protocol === "https:" ? 443 : 80)}`];
}

/** Returns the files that the config names and the daemon only reads. */
export function secretFiles({ tls, storage, net }: Config): string[] {
  const files = [
    tls?.cert,
    tls?.key,
    tls?.clientCa,
    net.caFile,
    net.proxyCredentialsFile,
    ...storeFiles(storage),
  ];
  return unique(files.filter((path) => path !== undefined));
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
