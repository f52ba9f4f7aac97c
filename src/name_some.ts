/** What a message names of many. */
const MAX_NAMED = 10;

/** Returns the first ten names, and how many more there are. */
export function nameSome(names: readonly string[]): string {
  const named = names.slice(0, MAX_NAMED).join(", ");
  return names.length > MAX_NAMED ? `${named} and ${names.length - MAX_NAMED} more` : named;
}
