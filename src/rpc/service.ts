/** Handles the six calls: parses, calls, maps, and does nothing else. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GitStatus } from "../git/mod.ts";
import type { Workspaces } from "../workspace/mod.ts";
import type { GitStatusSchema, WorkspaceContentService } from "../wire/mod.ts";
import { parseDispose, parseId, parseInit } from "./parse.ts";
import type { Handlers } from "./unary.ts";

/** Returns the handlers of `wsdaemon.WorkspaceContentService` on top of `workspaces`. */
export function workspaceContentService(
  workspaces: Workspaces,
): Handlers<typeof WorkspaceContentService> {
  return {
    async initWorkspace(request, { warn }) {
      await workspaces.init(parseInit(request), warn);
      return {};
    },
    async waitForInit(request, { signal }) {
      await workspaces.waitForInit(parseId(request.id), signal);
      return {};
    },
    isWorkspaceExists(request) {
      return { exists: workspaces.exists(parseId(request.id)) };
    },
    async takeSnapshot(request) {
      return { url: await workspaces.takeSnapshot(parseId(request.id), request.returnImmediately) };
    },
    async disposeWorkspace(request) {
      const { id, backup, backupLogs } = parseDispose(request);
      const { gitStatus } = await workspaces.dispose(id, { backup, backupLogs });
      return gitStatus ? { gitStatus: gitStatusMessage(gitStatus) } : {};
    },
    async backupWorkspace(request) {
      return { url: await workspaces.backup(parseId(request.id)) };
    },
  };
}

function gitStatusMessage(status: GitStatus): MessageInitShape<typeof GitStatusSchema> {
  return {
    branch: status.branch.toWellFormed(),
    latestCommit: status.latestCommit.toWellFormed(),
    uncommitedFiles: wellFormed(status.uncommittedFiles),
    untrackedFiles: wellFormed(status.untrackedFiles),
    unpushedCommits: wellFormed(status.unpushedCommits),
    totalUncommitedFiles: BigInt(status.totalUncommittedFiles),
    totalUntrackedFiles: BigInt(status.totalUntrackedFiles),
    totalUnpushedCommits: BigInt(status.totalUnpushedCommits),
  };
}

/** Returns texts without lone surrogates, which the UTF-8 of protobuf's strings cannot hold. */
function wellFormed(texts: readonly string[]): string[] {
  return texts.map((text) => text.toWellFormed());
}
