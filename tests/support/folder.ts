/** A folder of a test's own, gone when the test is. */

export interface TestFolder extends Disposable {
  readonly path: string;
}

/** Makes a temporary folder; `using` removes it, whatever the modes within. */
export function testFolder(): TestFolder {
  // Its real path: what is within must not be reached through a link.
  const path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "wsdaemon-" }));
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
