/** Writes the licences of everything that is in a binary. */

import type { BundledPackage } from "./packages.ts";

const RULE = "=".repeat(80);

/**
 * Returns the licences as text: wsdaemon's, the runtime's, and those of the packages, equal texts once.
 */
export function licenses(
  own: string,
  deno: { versions: readonly string[]; license: string },
  packages: readonly BundledPackage[],
): string {
  const sections = [
    `wsdaemon\n\n${own.trim()}`,
    `Deno ${
      deno.versions.join(" and ")
    } (https://github.com/denoland/deno), which says there what V8 and others in ` +
    `it are under\n\n${deno.license.trim()}`,
    ...[...byText(packages)].map(([text, names]) => `${names.join("\n")}\n\n${text}`),
  ];
  return `${sections.join(`\n\n${RULE}\n\n`)}\n`;
}

/** Returns the packages that each text is for. */
function byText(packages: readonly BundledPackage[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { name, version, license, texts } of packages) {
    const text = [...texts.values()].map((one) => one.trim()).join("\n\n") ||
      `The package has no text of its licence, which is ${license}.`;
    const names = found.get(text) ?? [];
    names.push(`${name} ${version} (${license})`);
    found.set(text, names);
  }
  return found;
}
