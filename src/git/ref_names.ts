/** The forms of names of branches and commits. */

/** Returns whether `text` can be a commit's hash, whole or abbreviated. */
export function isCommitName(text: string): boolean {
  return /^[0-9a-f]{4,64}$/i.test(text);
}

/** Returns whether a branch can have this name, as `git check-ref-format --branch`, without its shorthands. */
export function isBranchName(name: string): boolean {
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  if (name === "" || name === "@" || name === "HEAD" || /[\x00-\x20\x7f~^:?*[\\]/.test(name)) {
    return false;
  }
  if (name.startsWith("-") || name.includes("..") || name.includes("@{")) return false;
  return !name.endsWith(".") &&
    name.split("/").every((component) =>
      component !== "" && !component.startsWith(".") && !component.endsWith(".lock")
    );
}
