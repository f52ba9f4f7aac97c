/** Logs what an operator should know of a save that succeeded. */

import type { PackResult } from "../content/mod.ts";
import { logger } from "../log/mod.ts";

const log = logger("snapshot");

/** Reports that a workspace's baseline could not be used; does nothing where there was no problem. */
export function reportBaseline(workspace: string, problem: string | undefined): void {
  if (problem === undefined) return;
  log.warn("Everything in workspace {workspace} is read for its next image: {problem}", {
    workspace,
    problem,
  });
}

/** Reports that a tree which could have been frozen was packed live; does nothing where there was no problem. */
export function reportLive(workspace: string, problem: string | undefined): void {
  if (problem === undefined) return;
  log.warn("The tree of workspace {workspace} was saved without freezing it first: {problem}", {
    workspace,
    problem,
  });
}

/** Reports why the whole tree was walked; does nothing where there is no reason to be told. */
export function reportWalk(workspace: string, reason: string | undefined): void {
  if (reason === undefined) return;
  log.debug("The whole tree of workspace {workspace} was walked for its image: {reason}", {
    workspace,
    reason,
  });
}

/** Reports what an image leaves out because that was asked for, and patterns that were not gone by. */
export function reportExcluded(
  workspace: string,
  { ignoreFileProblem, stats: { excluded } }: Pick<PackResult, "ignoreFileProblem" | "stats">,
): void {
  if (ignoreFileProblem !== undefined) {
    log.warn("Nothing was left out by the .wsdaemonignore of workspace {workspace}: {reason}", {
      workspace,
      reason: ignoreFileProblem,
    });
  }
  if (excluded.entries === 0) return;
  log.debug("Left {count} excluded entries out of the image of {workspace}, such as {examples}", {
    count: excluded.entries,
    workspace,
    examples: excluded.examples,
  });
}

/** Reports which entries of a saved tree its image lacks, or may not restore as they were. */
export function reportDeviations(workspace: string, stats: PackResult["stats"]): void {
  const { counts, examples } = stats.unrestorable;
  if (examples.length > 0) {
    log.warn(
      "The image of {workspace} has what a wsdaemon with the rights of this one cannot restore: " +
        "{kinds}, such as {examples}",
      {
        workspace,
        kinds: Object.entries(counts).map(([kind, count]) => `${count} ${kind}`).join(", "),
        examples,
      },
    );
  }
  if (stats.retainedOmissions > 0) {
    log.info("Kept {count} entries in the image of {workspace} that this node could not restore", {
      count: stats.retainedOmissions,
      workspace,
    });
  }
  if (stats.skippedSockets > 0) {
    log.info("Left {count} sockets out of the image of {workspace}", {
      count: stats.skippedSockets,
      workspace,
    });
  }
  if (stats.unstableCount > 0) {
    log.warn("{count} paths of {workspace} would not hold still while they were read: {paths}", {
      count: stats.unstableCount,
      workspace,
      paths: stats.unstable,
    });
  }
}
