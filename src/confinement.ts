/**
 * A check that a Worker is as confined as it was meant to be: should its permissions ever be ignored
 * (they are an unstable option of Deno's), it must not work at all.
 */

/** Permissions that a Worker of ours may have for named targets at most. */
export type Confined = "env" | "ffi" | "net" | "read" | "run" | "sys" | "write";

/**
 * Checks that this thread has each of these permissions for named targets at most.
 * @throws {Error} where this thread has one of these permissions without limits
 */
export function requireConfined(names: readonly Confined[]): void {
  const unlimited = names.filter((name) =>
    Deno.permissions.querySync({ name }).state === "granted"
  );
  if (unlimited.length > 0) {
    throw new Error(
      `This Worker is not confined: it may ${unlimited.join(", ")} anything. ` +
        "Is Deno run without --unstable-worker-options?",
    );
  }
}
