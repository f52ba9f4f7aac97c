/** `wsdaemon store show`. */

import { Command } from "commander";
import { formatSize } from "../../config/mod.ts";
import {
  findImage,
  type FoundImage,
  type HistoryEntry,
  ImageFiles,
  imageHistory,
  isWithin,
} from "../../inspect/mod.ts";
import { readImage, readManifest } from "../../snapshot/mod.ts";
import { printJson, printLine, table } from "../io.ts";
import { entryJson, entryLine, formatCount, formatTime, imageJson } from "./format.ts";
import { pathOf, requireEntry, warnOfIndex } from "./paths.ts";
import { type StoreSession, withStore } from "./session.ts";

const EXAMPLES = `
Of a backup, all that are kept of its identity are listed as well, newest first: any of them can be
started from by its url. "last" marks the last image of a lineage that no other began from.

The files come from the image's index, which is all that is read; an image without one is listed by
reading its layers. Times are UTC, owners numbers. With a folder as PATH, all that is below it.

Examples:
    $ wsdaemon store show wsdaemon:backup/alice/notes
    $ wsdaemon store show wsdaemon:backup/alice/notes --files
    $ wsdaemon store show wsdaemon:backup/alice/notes --files src --json | jq -r '.entries[].path'
`;

/** Returns `store show`. */
export function showCommand(): Command {
  return new Command("show")
    .description("Show what an image consists of, or the files in it")
    .argument("<url>", "the image")
    .option("--files [path]", "list its files, all or those at a path")
    .addHelpText("after", EXAMPLES)
    .action(async (url: string, { files }: { files?: string | true }, command: Command) => {
      const path = files === undefined ? undefined : pathOf(files === true ? "." : files, command);
      await withStore(command, async (session) => {
        const image = await findImage(session.store, url, session.signal);
        if (session.json) await showJson(session, image, path);
        else if (path) await listFiles(session, image, path);
        else await showImage(session, image);
      });
    });
}

/** Reads the manifest of an image and returns what it lists. */
async function describe({ store, signal }: StoreSession, image: FoundImage) {
  const manifest = await readManifest(store, image.manifest, signal);
  const { layers, index, lineage } = await readImage(store, image.manifest, signal);
  const { config } = manifest;
  return {
    manifest: { digest: image.manifest, size: manifest.size },
    config,
    index,
    layers,
    ...(lineage ? { lineage } : {}),
  };
}

async function showImage(session: StoreSession, image: FoundImage): Promise<void> {
  const { manifest, config, index, layers, lineage } = await describe(session, image);
  const blob = ({ digest, size }: { digest: string; size: number }) =>
    `${digest}  ${formatSize(size)}`;
  printLine(table([
    ["url", image.url],
    ["kind", image.kind],
    ["owner", image.owner],
    ["meta_id", image.metaId],
    ["created", formatTime(image.createdAt)],
    ["files", formatCount(image.files)],
    ["content", formatSize(image.contentBytes)],
    ["lineage", lineage?.id ?? "(unknown)"],
    ...(lineage?.base ? [["began from", lineage.base]] : []),
    ["manifest", blob(manifest)],
    ["config", blob(config)],
    ["index", index ? blob(index) : "(none)"],
    ...(index?.below ?? []).map((one) => ["below it", blob(one)]),
    ...layers.map((layer, n) => [`layer ${n}`, blob(layer)]),
  ]));
  if (image.kind === "backup") await showHistory(session, image);
}

/** Prints the backups that are kept of an image's identity, newest first. */
async function showHistory({ store, signal }: StoreSession, image: FoundImage): Promise<void> {
  const history = await imageHistory(store, image, signal);
  const rows = history.map(({ createdAt, files, contentBytes, lineage, isHead, url }) => [
    formatTime(createdAt),
    formatCount(files),
    formatSize(contentBytes),
    lineage?.id.slice(0, 12) ?? "(unknown)",
    isHead ? "last" : "",
    url,
  ]);
  printLine("");
  printLine(table([["CREATED", "FILES", "CONTENT", "LINEAGE", "OF IT", "URL"], ...rows]));
}

async function listFiles(
  session: StoreSession,
  { manifest, url }: FoundImage,
  path: Uint8Array,
): Promise<void> {
  for await (const entry of filesAt(session, manifest, path, url)) printLine(entryLine(entry));
}

/** Prints one JSON object; entries are written as they are read, since there may be millions. */
async function showJson(
  session: StoreSession,
  image: FoundImage,
  path: Uint8Array | undefined,
): Promise<void> {
  const history = await imageHistory(session.store, image, session.signal);
  const description = {
    ...imageJson(image),
    ...await describe(session, image),
    ...(image.kind === "backup" ? { history: history.map(historyJson) } : {}),
  };
  if (!path) return printJson(description);
  let before = JSON.stringify(description, null, 2).replace(/\n}$/, ',\n  "entries": [');
  let isFirst = true;
  for await (const entry of filesAt(session, image.manifest, path, image.url)) {
    printLine(isFirst ? before : `${before},`);
    before = `    ${JSON.stringify(entryJson(entry))}`;
    isFirst = false;
  }
  printLine(`${before}\n  ]\n}`);
}

function historyJson({ url, createdAt, lineage, isHead }: HistoryEntry) {
  return {
    url,
    createdAt: new Date(createdAt).toISOString(),
    ...(lineage ? { lineage } : {}),
    isHead,
  };
}

async function* filesAt(
  session: StoreSession,
  manifest: FoundImage["manifest"],
  path: Uint8Array,
  url: string,
) {
  const { signal } = session;
  const options = { signal, onDamagedIndex: warnOfIndex };
  await using image = await ImageFiles.open(session, manifest, options);
  requireEntry(image, path, url);
  for (const entry of image.tree.entries()) if (isWithin(entry.path, path)) yield entry;
}
