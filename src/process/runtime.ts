/** Tells which versions of Deno wsdaemon works on, and where they fall short. */

import { hasSoundHttp2 } from "../deno_version.ts";

/** Versions that abort inside nghttp2 when a gRPC client goes away (denoland/deno#36788). */
const CRASHING = ["2.9.4", "2.9.5", "2.9.6"];

/** Returns a warning about this version of Deno for operators; `undefined` where none is due. */
export function runtimeWarning(version: string): string | undefined {
  if (!CRASHING.includes(version)) return undefined;
  return `Deno ${version} is known to crash when gRPC clients disconnect (denoland/deno#36788); ` +
    "use 2.8.3";
}

/** Returns why this version of Deno cannot serve on such listeners; `undefined` where it can. */
export function listenerProblem(
  version: string,
  { unix, tls }: { unix: boolean; tls: boolean },
): string | undefined {
  if (hasSoundHttp2(version) || !(unix || tls)) return undefined;
  const what = unix ? "answer on unix sockets" : "serve TLS";
  return `Deno ${version} cannot ${what}: listen on a loopback HOST:PORT without tls, or run ` +
    "wsdaemon on Deno 2.8.3 (the binary that `deno task compile` makes has it)";
}
