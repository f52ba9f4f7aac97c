/** Checks that every symbol that a file exports has a comment of its own. */

import { join, toFileUrl } from "@std/path";
import { GENERATED } from "./layers.ts";

/** The parts of `deno doc --json` that are looked at. */
interface DocNode {
  name: string;
  kind?: string;
  declarations?: {
    kind: string;
    declarationKind?: string;
    jsDoc?: { doc?: string };
    location?: { filename: string };
  }[];
  jsDoc?: { doc?: string };
  location?: { filename: string };
}

/** Returns every exported symbol without a comment, by file. @throws {Error} with Deno's words */
export async function docViolations(
  project: string,
  paths: readonly string[],
): Promise<string[]> {
  if (paths.length === 0) return [];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", ...paths.map((path) => join(project, path))],
    cwd: project,
  }).output();
  if (!success) throw new Error(`deno doc: ${new TextDecoder().decode(stderr)}`);
  const { nodes }: { nodes: Record<string, { symbols?: DocNode[] }> } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  return paths.flatMap((path) => {
    const documented = nodes[toFileUrl(join(project, path)).href];
    if (!documented) throw new Error(`deno doc says nothing of ${path}`);
    return undocumented(documented.symbols ?? []).map((name) =>
      `${path}: exports ${name} without a comment that says what it does`
    );
  });
}

function undocumented(symbols: readonly DocNode[]): string[] {
  return symbols
    .filter(({ declarations = [] }) =>
      // A symbol that several files export is described at one of them; the others refer to it.
      // Private ones are listed because exported ones name them. The comments of generated code are
      // those of `proto/`.
      !declarations.some(({ kind, declarationKind, jsDoc, location }) =>
        kind === "reference" || declarationKind === "private" || jsDoc?.doc ||
        location?.filename.includes(GENERATED.folder)
      )
    )
    .map(({ name }) => name);
}
