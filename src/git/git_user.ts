import type { Owner } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";

/**
 * Returns the user that git runs as in a folder of `owner`: the owner, but root only where that is the
 * content owner, too.
 * @param location the folder, for the message
 * @throws {DaemonError} FAILED_PRECONDITION where the folder is root's alone
 */
export function gitUser(owner: Owner, contentOwner: Owner, location: string): Owner {
  if (owner.uid === 0 && contentOwner.uid !== 0) {
    const folder = location === "" ? "the workspace's top folder" : JSON.stringify(location);
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `${folder} belongs to root, as whom git does not run on a workspace's content ` +
        `(contentOwner is ${contentOwner.uid}:${contentOwner.gid})`,
      { reason: "GIT_UNUSABLE" },
    );
  }
  return { uid: owner.uid, gid: owner.gid === 0 ? contentOwner.gid : owner.gid };
}
