/** Finds the npm packages of which something is in a bundle. */

import { walk } from "@std/fs";
import { fromFileUrl, join } from "@std/path";

const LOCK = fromFileUrl(new URL("../../deno.lock", import.meta.url));

/** A package of which something is in the binary. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** Digest of the registry's archive, as deno.lock has it: `sha512-<base64>`. */
  readonly integrity: string;
  /** An SPDX expression, or whatever its `package.json` says. */
  readonly license: string;
  /** Its licence and notice files, by name. */
  readonly texts: ReadonlyMap<string, string>;
}

/** What {@link portable} leaves of the path of a package's file. */
const PART = /^\s*(?:\/\/ |")npm\/((?:@[^/\s"]+\/)?[^/\s"]+)\/(\d[^/\s"]*)\//gm;

/**
 * Returns the packages in a bundle, by name and version.
 * @param folder the bundle's
 * @param cache Deno's cache of npm packages
 * @throws {Error} where one is not in deno.lock
 */
export async function bundledPackages(folder: string, cache: string): Promise<BundledPackage[]> {
  const found = new Set<string>();
  for await (const { path } of walk(folder, { exts: [".js"], includeDirs: false })) {
    const text = await Deno.readTextFile(path);
    for (const [, name, version] of text.matchAll(PART)) found.add(`${name}@${version}`);
  }
  const { npm: locked } = JSON.parse(await Deno.readTextFile(LOCK)) as {
    npm: Record<string, { integrity: string }>;
  };
  return await Promise.all(
    [...found].sort().map(async (id) => {
      const at = id.lastIndexOf("@");
      const [name, version] = [id.slice(0, at), id.slice(at + 1)];
      // A package with peers has them after its version.
      const key = Object.keys(locked).find((key) => key === id || key.startsWith(`${id}_`));
      if (key === undefined) throw new Error(`The bundle has ${id}, which deno.lock does not know`);
      const source = await packageFolder(cache, name, version);
      const { license } = JSON.parse(await Deno.readTextFile(join(source, "package.json")));
      return {
        name,
        version,
        integrity: locked[key]!.integrity,
        license: typeof license === "string" ? license : license?.type ?? "NOASSERTION",
        texts: await licenseTexts(source),
      };
    }),
  );
}

/** The cache has a folder for each registry. */
async function packageFolder(cache: string, name: string, version: string): Promise<string> {
  for await (const { name: registry } of Deno.readDir(cache)) {
    const folder = join(cache, registry, name, version);
    if (await Deno.stat(folder).then(() => true, () => false)) return folder;
  }
  throw new Error(`${name}@${version} is not in ${cache}`);
}

async function licenseTexts(folder: string): Promise<Map<string, string>> {
  const names = (await Array.fromAsync(Deno.readDir(folder)))
    .filter(({ name, isFile }) => isFile && /^(?:licen[cs]e|notice|copying)\b/i.test(name))
    .map(({ name }) => name).sort();
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, await Deno.readTextFile(join(folder, name))] as const),
    ),
  );
}
