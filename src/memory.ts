/**
 * Gives back at once the memory of bytes that nobody needs any more: the collector lets a hundred
 * megabytes lie about before it comes by. Nothing is done where others may share their buffer.
 */
export function release({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
