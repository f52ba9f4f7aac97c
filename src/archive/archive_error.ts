/** Failures to read an archive; the caller decides which gRPC code they deserve. */

/** Kinds of failure. `truncated`: the archive ends early; `limit`: it asks for more than a reader grants. */
export type ArchiveProblem = "malformed" | "truncated" | "limit";

/** A failure to read an archive. Its message names the offset, and the entry where there is one. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
  readonly problem: ArchiveProblem;

  constructor(problem: ArchiveProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}

const SHOWN_BYTES = 200;

/** Returns a name of any bytes as a message may hold it: quoted, without control characters, cut. */
export function showName(name: Uint8Array): string {
  const text = new TextDecoder().decode(name.subarray(0, SHOWN_BYTES));
  // deno-lint-ignore no-control-regex -- control characters are what must not reach a log
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f"\\\u2028\u2029\u202a-\u202e]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return `"${clean}${name.length > SHOWN_BYTES ? "…" : ""}"`;
}
