/** Types of the parts of `@std/streams` that we use; the npm package of the standard library has none. */

export interface TextLineStreamOptions {
  /** Whether a lone CR ends a line too. */
  allowCR?: boolean;
}
/** Text in, lines out. */
export class TextLineStream extends TransformStream<string, string> {
  constructor(options?: TextLineStreamOptions);
}
export function toText(stream: ReadableStream<Uint8Array | string>): Promise<string>;
