/**
 * Removes a file if it is there.
 * @param options as of `Deno.remove`: `recursive` for a folder with all in it
 * @throws what the file system throws, but for a path that does not exist or leads through what is no folder
 */
export async function removeIfThere(path: string, options?: Deno.RemoveOptions): Promise<void> {
  try {
    await Deno.remove(path, options);
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (!isMissing) throw error;
  }
}
