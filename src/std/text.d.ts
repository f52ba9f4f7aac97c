/** Types of the parts of `@std/text` that we use; the npm package of the standard library has none. */

export function closestString(givenWord: string, possibleWords: readonly string[]): string;
export function levenshteinDistance(str1: string, str2: string): number;
