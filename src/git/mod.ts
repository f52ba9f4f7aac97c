/**
 * Git, as the daemon uses it: checkouts for initializers, and the status of what is there.
 *
 * Repositories are hostile. Every git runs as the content's owner with an environment, a home and a
 * config of our own, and reaches other hosts through the egress proxy alone. Failures of git are
 * `DaemonError`s with a code that says whose fault it is.
 */

export { problemOf } from "./config_text.ts";
export { GitFailure, isRemoteFailure } from "./failure.ts";
export { Git } from "./git.ts";
export { gitEnvironment } from "./git_environment.ts";
export { type GitFinding, programsOf, reportFinding } from "./git_program.ts";
export type { GitStatus, GitStatusReader } from "./git_status.ts";
export { isBranchName, isCommitName } from "./ref_names.ts";
export { type Login, parseRemote, type Remote } from "./remote.ts";
export type { CheckoutRequest } from "./request.ts";
export { followLinks } from "./tree_path.ts";
