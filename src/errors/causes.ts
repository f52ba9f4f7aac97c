/** Causes that are looked at, since a chain of them may be a circle. */
const MAX_CAUSES = 8;

/** Yields what an error was caused by, the nearest cause first; the first 8 of them. */
export function* causesOf(error: unknown): Generator<Error> {
  let at = error instanceof Error ? error.cause : undefined;
  for (let count = 0; at instanceof Error && count < MAX_CAUSES; count++) {
    yield at;
    at = at.cause;
  }
}
