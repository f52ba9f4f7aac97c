/** Programs of others that tests run. */

/** Whether a program is installed. */
export function has(tool: string): boolean {
  try {
    return new Deno.Command(tool, { args: ["--version"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

/** Runs a tool. @throws where it fails, with what it said */
export async function run(cwd: string, command: string, ...args: string[]): Promise<Uint8Array> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    cwd,
    env: { LC_ALL: "C.UTF-8", TZ: "UTC" },
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`${command} ${args}: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}
