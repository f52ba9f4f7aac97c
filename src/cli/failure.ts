import { ConfigError } from "../config/mod.ts";
import { DaemonError, reasonOf } from "../errors.ts";
import { StartError } from "../process/mod.ts";

/** A command that failed. Its message, if it has one, is not printed yet. */
export class Failure extends Error {
  override readonly name = "Failure";
}

/** What a command prints could not be written. */
export class OutputError extends Error {
  override readonly name = "OutputError";

  constructor(cause: unknown) {
    super(`Cannot write to stdout: ${reasonOf(cause)}`, { cause });
  }

  /** Whether who reads it has had enough, as `head` has: nothing to complain of. */
  get isClosed(): boolean {
    return this.cause instanceof Deno.errors.BrokenPipe;
  }
}

/** The lines that tell people what became of a command. */
export function describeFailure(error: unknown): string[] {
  if (error instanceof ConfigError) return error.problems.map((problem) => `error: ${problem}`);
  if (error instanceof OutputError && error.isClosed) return [];
  if (error instanceof Failure) return error.message ? [`error: ${error.message}`] : [];
  if (error instanceof DaemonError) return [`error: ${error.code}: ${error.message}`];
  if (error instanceof StartError || error instanceof OutputError) {
    return [`error: ${error.message}`];
  }
  return [`error: ${error instanceof Error ? error.stack ?? error.message : error}`];
}
