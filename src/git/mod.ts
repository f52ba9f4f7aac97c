/**
 * Git, run by the daemon: checkouts for initializers, and the status of live checkouts.
 *
 * Repositories are hostile. Every git runs as the content's owner with an environment, a home and a
 * config of the daemon's, and reaches other hosts through the egress proxy alone. Failures are
 * `DaemonError`s with a code that says whether the remote, the repository or the node is to blame.
 */

export { problemOf } from "./config_text.ts";
export { GitFailure, isRemoteFailure } from "./git_failure.ts";
export { Git } from "./git.ts";
export { gitEnvironment } from "./git_environment.ts";
export { type FoundGit, programsOf, reportFoundGit } from "./git_program.ts";
export type { GitStatus, GitStatusReader } from "./git_status.ts";
export { isBranchName, isCommitName } from "./ref_names.ts";
export { type Login, parseRemote, type Remote } from "./remote.ts";
export type { CheckoutRequest } from "./checkout_request.ts";
export { followLinks } from "./tree_path.ts";
