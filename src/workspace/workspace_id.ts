const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * Returns why text cannot be a workspace's id, in words that follow its name; `undefined` where it can: 1
 * to 128 of `A-Za-z0-9._-`, a letter or digit first, no `..`.
 */
export function workspaceIdProblem(text: string): string | undefined {
  if (!ID.test(text)) {
    return "must be 1 to 128 characters of A-Za-z0-9._- and start with a letter or digit";
  }
  return text.includes("..") ? 'must not contain ".."' : undefined;
}
