/** The errors that say why a command cannot even begin. They are light: every command loads them. */

/** A failure to start the daemon, in one line that says what to do. */
export class StartError extends Error {
  override readonly name = "StartError";
}

/** A config that cannot be used; every problem is one line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}
