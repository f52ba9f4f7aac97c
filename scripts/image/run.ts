/** Runs programs of the system. */

/** Runs a program. @returns what it printed. @throws {Error} with what it said where it failed */
export async function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    ...options,
  }).output();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout);
  throw new Error(`${program} ${args.slice(0, 3).join(" ")} failed: ${decoder.decode(stderr)}`);
}
