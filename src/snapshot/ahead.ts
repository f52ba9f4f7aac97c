/** Looking ahead: many small requests to a store at a time, their answers in order. */

/** Requests under way at a time. */
export const AHEAD = 16;

/** What `work` makes of each item, in their order, with up to `width` calls of it under way. */
export async function* mapAhead<Item, Result>(
  items: AsyncIterable<Item> | Iterable<Item>,
  width: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const pending: Promise<Result>[] = [];
  for await (const item of items) {
    const result = work(item);
    // Told to the reader when its turn comes; until then it is nobody's.
    result.catch(() => {});
    pending.push(result);
    if (pending.length >= width) yield await pending.shift()!;
  }
  for (const result of pending) yield await result;
}
