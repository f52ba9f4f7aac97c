import { invalid } from "../errors.ts";

/** Refuses files of one download of which one would have to be another's folder. */
export class PathConflicts {
  /** The field of each file, by its path. */
  readonly #files = new Map<string, string>();
  /** The field of a file below each folder, by the folder's path. */
  readonly #folders = new Map<string, string>();

  /**
   * Adds a file.
   * @param path in its shortest form, as `parseLocation` returns it
   * @throws {DaemonError} INVALID_ARGUMENT for the field, naming the one that it conflicts with
   */
  add(path: string, field: string): void {
    const same = this.#files.get(path);
    if (same !== undefined) throw invalid(field, `is the same as ${same}`);
    const below = this.#folders.get(path);
    if (below !== undefined) throw invalid(field, `is a folder of ${below}`);
    this.#files.set(path, field);
    for (const folder of foldersOf(path)) {
      const file = this.#files.get(folder);
      if (file !== undefined) throw invalid(field, `leads through ${file}, which is a file`);
      this.#folders.set(folder, field);
    }
  }
}

/** Yields the folders on the way to a path, the topmost first. */
export function* foldersOf(path: string): Generator<string> {
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
    yield path.slice(0, at);
  }
}
