/** Checks that every symbol that a module's entry exports has a comment of its own. */

import { join, toFileUrl } from "@std/path";
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
  if (entries.length === 0) return [];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", ...entries.map((entry) => join(project, entry))],
    cwd: project,
  }).output();
  if (!success) throw new Error(`deno doc: ${new TextDecoder().decode(stderr)}`);
  const { nodes }: { nodes: Record<string, { symbols?: DocNode[] }> } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  return entries.flatMap((entry) => {
    const documented = nodes[toFileUrl(join(project, entry)).href];
    if (!documented) throw new Error(`deno doc says nothing of ${entry}`);
    return undocumented(documented.symbols ?? []).map((name) =>
      `${entry}: exports ${name} without a comment that says what it does`
    );
  });
}

function undocumented(symbols: readonly DocNode[]): string[] {
  return symbols
    .filter(({ declarations = [] }) =>
      // A symbol of several entries is described at one of them; the others refer to it. The
      // comments of generated code are those of `proto/`.
      !declarations.some(({ kind, jsDoc, location }) =>
        kind === "reference" || jsDoc?.doc || location?.filename.includes(GENERATED.folder)
      )
    )
    .map(({ name }) => name);
}
