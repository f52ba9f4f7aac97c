/** Checks that every symbol that a module's entry exports has a comment of its own. */

import { join } from "@std/path";
import { GENERATED } from "./layers.ts";

/** The parts of `deno doc --json` that are looked at. */
interface DocNode {
  name: string;
  kind?: string;
  declarations?: { kind: string; jsDoc?: { doc?: string }; location?: { filename: string } }[];
  jsDoc?: { doc?: string };
  location?: { filename: string };
}

/** Returns every exported symbol without a comment, by entry. @throws {Error} with Deno's words */
export async function docViolations(
  project: string,
  entries: readonly string[],
): Promise<string[]> {
  const found: string[] = [];
  for (const entry of entries) {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["doc", "--json", join(project, entry)],
      cwd: project,
    }).output();
    if (!success) throw new Error(`deno doc: ${new TextDecoder().decode(stderr)}`);
    for (const name of undocumented(JSON.parse(new TextDecoder().decode(stdout)))) {
      found.push(`${entry}: exports ${name} without a comment that says what it does`);
    }
  }
  return found;
}

function undocumented(output: { nodes?: unknown }): string[] {
  return Object.values(output.nodes ?? {})
    .flatMap((file) => (file as { symbols?: DocNode[] }).symbols ?? [])
    .filter(({ declarations = [] }) =>
      // The comments of generated code are those of `proto/`.
      !declarations.some(({ jsDoc, location }) =>
        jsDoc?.doc || location?.filename.includes(GENERATED.folder)
      )
    )
    .map(({ name }) => name);
}
