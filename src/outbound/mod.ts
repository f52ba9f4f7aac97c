/**
 * Connections to where a caller says: the egress proxy that every download and every git goes through,
 * the rules of what may be reached, and an HTTP client on top.
 *
 * An address is resolved once, checked, and the checked address is the one connected to; a redirect or a
 * rewritten URL is a connection like any other.
 */

export { OutboundRefused, resolveChecked } from "./dial.ts";
export {
  EGRESS_PROXY_HOST,
  EgressProxy,
  type NetworkOptions,
  type ProxySession,
} from "./egress_proxy.ts";
export { displayUrl, HttpClient, NotConnectedError } from "./http.ts";
export { readProxyCredentials, type UpstreamProxy } from "./upstream_proxy.ts";
