/** `wsdaemon client dispose`. */

import { Command } from "commander";
import type { GitStatus } from "../../client/mod.ts";
import { printJson, printLine, table } from "../io.ts";
import { addIdArgument, idOf, withSession } from "./connect.ts";
import { followed } from "./follow.ts";

interface DisposeFlags {
  backup?: true;
  backupLogs?: true;
}

/** Returns `client dispose`. */
export function disposeCommand(): Command {
  return addIdArgument(new Command("dispose"))
    .description("Delete a workspace and print what its Git checkout was like just before")
    .option("--backup", "back it up first; it stays if that fails")
    .option("--backup-logs", "upload its terminal logs too")
    .action(async (argument: string | undefined, flags: DisposeFlags, command: Command) => {
      const id = idOf(argument, command);
      const { backup = false, backupLogs = false } = flags;
      await withSession(command, async (session) => {
        const { client, call, json } = session;
        const status = await followed(
          session,
          id,
          () => client.disposeWorkspace({ id, backup, backupLogs }, call),
        );
        if (json) {
          const { gitStatusToJson } = await import("../../client/mod.ts");
          printJson({ id, ...(status ? { gitStatus: gitStatusToJson(status) } : {}) });
        } else {
          printLine(`${id} is gone`);
          if (status) printLine(describeStatus(status));
        }
      });
    });
}

/** Returns a Git status as a table: branch, commit, and for each kind of change its count and entries. */
export function describeStatus(status: GitStatus): string {
  const changes: [string, bigint, string[]][] = [
    ["uncommitted", status.totalUncommitedFiles, status.uncommitedFiles],
    ["untracked", status.totalUntrackedFiles, status.untrackedFiles],
    ["unpushed", status.totalUnpushedCommits, status.unpushedCommits],
  ];
  return table([
    ["branch", status.branch || "(none)"],
    ["commit", status.latestCommit || "(none)"],
    ...changes.flatMap(([name, total, entries]) => [
      [name, String(total)],
      ...entries.map((entry) => ["", entry]),
    ]),
  ]);
}
