/** The saves that a caller of DisposeWorkspace can ask for before the content is deleted. */

/** All final saves, in the order to make them. Logs are first: small, and useful even if the backup fails. */
const FINAL_SAVES = ["backupLogs", "backup"] as const;

/** One thing that a disposal can store before it deletes: the terminal logs, or a backup. */
export type FinalSave = typeof FINAL_SAVES[number];

/** Which final saves a call asks for. */
export type DisposeOptions = Readonly<Record<FinalSave, boolean>>;

/** Returns the final saves that `options` ask for, in the order to do them in. */
export function finalSavesOf(options: DisposeOptions): FinalSave[] {
  return FINAL_SAVES.filter((save) => options[save]);
}

/**
 * Returns the final saves among `names`, as the journal holds them. Names that this version does not
 * know are ignored: a newer one may have written them.
 */
export function finalSavesNamed(names: readonly string[]): Set<FinalSave> {
  return new Set(FINAL_SAVES.filter((save) => names.includes(save)));
}
