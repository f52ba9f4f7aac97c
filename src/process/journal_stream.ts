/**
 * Returns whether journald reads what this process writes to stderr. systemd says in `JOURNAL_STREAM` which
 * device and inode it has connected, so that a shell's redirection within the unit is told apart.
 */
export function isJournal(
  stream: string | undefined = Deno.env.get("JOURNAL_STREAM"),
  stderr: string = "/proc/self/fd/2",
): boolean {
  if (stream === undefined) return false;
  try {
    const { dev, ino } = Deno.statSync(stderr);
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}
