/** Searches ordered records that are not in an array: they lie in blocks, tables and maps of bytes. */

/**
 * Returns the lowest number in `[0, count)` for which `isBelow` is false; `count` where there is none.
 * @param isBelow must not become true again once it was false; asked `log2(count)` times
 */
export function lowerBound(count: number, isBelow: (n: number) => boolean): number {
  let low = 0;
  for (let high = count; low < high;) {
    const middle = (low + high) >>> 1;
    if (isBelow(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Returns the lowest number in `[0, count)` for which `compare` returns 0; `undefined` where there is none.
 * @param compare compares the record of that number with the one looked for; its results must not decrease
 */
export function binarySearch(count: number, compare: (n: number) => number): number | undefined {
  const found = lowerBound(count, (n) => compare(n) < 0);
  return found < count && compare(found) === 0 ? found : undefined;
}
