/** Which mount a path lies on. */

/** Every mount point of this process, by absolute path. The last of several at one path is on top. */
export function readMounts(): string[] {
  try {
    const lines = Deno.readTextFileSync("/proc/self/mountinfo").trimEnd().split("\n");
    return lines.map((line) => unescape(line.split(" ")[4]!));
  } catch {
    // Where there is no /proc, the first rename says what is wrong.
    return ["/"];
  }
}

/** The mount point at or above an absolute path that leads through no link. */
export function mountOf(path: string, mounts: readonly string[]): string {
  const above = mounts.filter((mount) => `${path}/`.startsWith(mount === "/" ? "/" : `${mount}/`));
  return above.reduce((longest, mount) => mount.length > longest.length ? mount : longest, "/");
}

/** The kernel writes blanks and backslashes as octal numbers. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8)));
}
