/**
 * How long tests that repeat themselves go on: as often as the suite has time for, or, in
 * `deno task soak`, for as long as `WSDAEMON_SOAK_SECONDS` says.
 */

const SECONDS = Number(Deno.env.get("WSDAEMON_SOAK_SECONDS") ?? 0);

/** Numbers from 0 on: `atLeast` of them, and more until a share of the soak's time is over. */
export function* rounds(atLeast: number, share = 1): Generator<number> {
  const end = performance.now() + SECONDS * 1000 * share;
  for (let round = 0; round < atLeast || performance.now() < end; round++) yield round;
}

/** How often a property is tried: `usual` in the suite, `inSoak` in a soak. */
export function runs(usual: number, inSoak: number): number {
  return SECONDS > 0 ? inSoak : usual;
}

/** Whether this is a soak, which has time for more than the suite. */
export function soaking(): boolean {
  return SECONDS > 0;
}
