import type { Content } from "../content/mod.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { Journal, type TreeRecords } from "../workspace/mod.ts";

const log = logger("daemon");

/**
 * Opens the journal. On a file system that copies on write, even undoing a change that a killed daemon
 * had begun takes blocks, and that daemon may have used up what was set aside. Where there is no space,
 * whatever it left unfinished is deleted first: nothing refers to that, whatever the journal says.
 * @throws {DaemonError} as `Journal` does
 */
export async function openJournal(
  path: string,
  content: Content,
  records: TreeRecords,
): Promise<Journal> {
  try {
    return new Journal(path, records);
  } catch (error) {
    if (!(error instanceof DaemonError) || error.code !== "RESOURCE_EXHAUSTED") throw error;
    log.warn("Deleting what an earlier daemon has left, to make space: {reason}", {
      reason: messageOf(error),
    });
    await deleteLeftovers(content);
    return new Journal(path, records);
  }
}

/** Deletes what a killed daemon left unfinished, as far as it can be deleted. */
async function deleteLeftovers(content: Content): Promise<void> {
  const leftovers = await content.leftovers();
  const deletions = [
    ...leftovers.staging.map((name) => () => content.remove({ area: "staging", name })),
    ...leftovers.trash.map((group) => () => content.deleteTrash(group)),
    () => content.discardLeftovers(leftovers),
  ];
  for (const remove of deletions) {
    try {
      await remove();
    } catch (error) {
      log.warn("Something that an earlier daemon has left stays for now: {reason}", {
        reason: messageOf(error),
      });
    }
  }
}
