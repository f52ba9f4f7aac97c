/** Reads bodies of answers that are small enough to be held in memory. */

/** Reads a body; more than `limit` bytes of it are given up together with the connection. */
export async function readBody(
  body: AsyncIterable<Uint8Array> | Uint8Array | undefined,
  limit: number,
): Promise<Uint8Array> {
  if (body === undefined || body instanceof Uint8Array) return body ?? new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > limit) break;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
