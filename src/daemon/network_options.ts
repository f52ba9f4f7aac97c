import { readAuthorities } from "../certificates.ts";
import type { Config } from "../config/mod.ts";
import { type NetworkOptions, readProxyCredentials } from "../outbound/mod.ts";

/** Reads what the network around the node asks of connections. @throws {DaemonError} */
export function networkOf(net: Config["net"]): NetworkOptions {
  const { caFile, proxy, proxyCredentialsFile } = net;
  const authorities = caFile === undefined ? {} : {
    authorities: readAuthorities(caFile, "net.caFile"),
  };
  if (proxy === undefined) return authorities;
  const { hostname, port } = new URL(proxy);
  const credentials = proxyCredentialsFile === undefined ? {} : {
    credentials: readProxyCredentials(proxyCredentialsFile),
  };
  return {
    ...authorities,
    proxy: {
      host: hostname.replace(/^\[(.*)\]$/, "$1"),
      port: Number(port || "80"),
      connectBy: net.proxyConnect,
      exceptions: net.noProxy,
      ...credentials,
    },
  };
}
