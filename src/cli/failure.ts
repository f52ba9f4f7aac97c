/** A command that failed. Its message, if it has one, is not printed yet. */
export class Failure extends Error {
  override readonly name = "Failure";
}
