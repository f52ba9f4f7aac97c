/** `wsdaemon store ls`. */

import { Command } from "commander";
import { formatSize } from "../../config/mod.ts";
import { catalog, type CatalogEntry } from "../../inspect/mod.ts";
import { Failure } from "../failure.ts";
import { printError, printJson, printLine, table } from "../io.ts";
import { formatCount, formatTime, imageJson } from "./format.ts";
import { withStore } from "./session.ts";

const EXAMPLES = `
STORED is what all of an image's blobs take, OWN what only this image needs and removing it would
free, SHARED the rest. Exit code 1 where something could not be read: it is named on stderr.

Examples:
    $ wsdaemon store ls --owner alice --meta-id notes
    $ wsdaemon store ls --json | jq -r '.[] | select(.ownBytes > 1e9) | .url'
`;

const HEADINGS = [
  "KIND",
  "OWNER",
  "META_ID",
  "CREATED",
  "FILES",
  "CONTENT",
  "STORED",
  "OWN",
  "SHARED",
  "URL",
];
const NUMBERS = new Set(["FILES", "CONTENT", "STORED", "OWN", "SHARED"]);

interface LsFlags {
  owner?: string;
  metaId?: string;
}

/** Returns `store ls`. */
export function lsCommand(): Command {
  return new Command("ls")
    .description("List backups and snapshots with their sizes")
    .option("--owner <owner>", "of this owner only")
    .option("--meta-id <id>", "of this meta_id only")
    .addHelpText("after", EXAMPLES)
    .action(async ({ owner, metaId }: LsFlags, command: Command) => {
      await withStore(command, async ({ store, signal, json }) => {
        let damaged = 0;
        const onDamage = (what: string, { code, message }: { code: string; message: string }) => {
          damaged++;
          printError(`error: ${code}: ${what}: ${message}`);
        };
        const images = (await catalog(store, { signal, onDamage })).filter((image) =>
          (owner ?? image.owner) === image.owner && (metaId ?? image.metaId) === image.metaId
        );
        if (json) printJson(images.map(imageJson));
        else if (images.length > 0) printLine(listing(images));
        if (damaged > 0) throw new Failure();
      });
    });
}

function listing(images: readonly CatalogEntry[]): string {
  const rows = [HEADINGS, ...images.map(row)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return table(
    rows.map((row) =>
      row.map((cell, column) =>
        NUMBERS.has(HEADINGS[column]!) ? cell.padStart(widths[column]!) : cell
      )
    ),
  );
}

function row(image: CatalogEntry): string[] {
  const { kind, owner, metaId, createdAt, files, contentBytes, sizes, url } = image;
  const size = (bytes: number | undefined) => bytes === undefined ? "?" : formatSize(bytes);
  return [
    kind,
    owner,
    metaId,
    formatTime(createdAt),
    formatCount(files),
    formatSize(contentBytes),
    size(sizes?.storedBytes),
    size(sizes?.ownBytes),
    size(sizes && sizes.storedBytes - sizes.ownBytes),
    url,
  ];
}
