/** What is known of the Deno that we run on. */

/** Versions that abort inside nghttp2 when a gRPC client goes away (denoland/deno#36788). */
const CRASHING = ["2.9.4", "2.9.5", "2.9.6"];

/** What an operator should know of this version of Deno; `undefined` where nothing is. */
export function runtimeWarning(version: string): string | undefined {
  if (!CRASHING.includes(version)) return undefined;
  return `Deno ${version} is known to crash when gRPC clients disconnect (denoland/deno#36788); ` +
    "use 2.8.3";
}

/** From this version on, Deno's HTTP/2 client gives every answer to whoever waits for it. */
const SOUND_CLIENT = [2, 7, 14] as const;

/** What the user of our client should know of this version of Deno; `undefined` where nothing is. */
export function clientWarning(version: string): string | undefined {
  const parts = version.split(".").map(Number);
  const differs = SOUND_CLIENT.findIndex((part, index) => parts[index] !== part);
  if (differs < 0 || (parts[differs] ?? 0) > SOUND_CLIENT[differs]!) return undefined;
  return `Deno ${version} loses answers to gRPC clients, so this may fail or wait for ever though ` +
    "the daemon did it; call it with wsdaemon on Deno 2.8.3, or with another gRPC client";
}
