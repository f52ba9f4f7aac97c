/** A folder of a test's own, gone when the test is. */

export interface TestFolder extends Disposable {
  readonly path: string;
}

/** Whether a folder is on tmpfs. */
function isInMemory(folder: string): boolean {
  const { dev } = Deno.statSync(folder);
  const device = `${dev >> 8 & 0xfff}:${dev & 0xff | dev >> 12 & 0xfff00}`;
  return Deno.readTextFileSync("/proc/self/mountinfo").split("\n").some((line) =>
    line.split(" ")[2] === device && line.includes(" - tmpfs ")
  );
}

/** Where to make folders; the system's place unless that is tmpfs, where no backup is a delta. */
const PLACE = isInMemory(Deno.env.get("TMPDIR") ?? "/tmp") ? { dir: "/var/tmp" } : {};

/** Makes a temporary folder; `using` removes it, whatever the modes within. */
export function testFolder(): TestFolder {
  // Its real path: what is within must not be reached through a link.
  const path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "wsdaemon-", ...PLACE }));
  return {
    path,
    [Symbol.dispose]() {
      removeAll(path);
    },
  };
}

/** Removes what is at a path, whatever the modes within. */
export function removeAll(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch {
    // Without privileges, read-only folders are in the way; and a path may be too long for Deno.
    new Deno.Command("chmod", { args: ["-R", "u+rwx", path], stderr: "null" }).outputSync();
    new Deno.Command("rm", { args: ["-rf", path] }).outputSync();
  }
}
