/** `wsdaemon store show`. */

import { Command } from "commander";
import { formatSize } from "../../config/mod.ts";
import { findImage, type FoundImage, ImageFiles, isWithin } from "../../inspect/mod.ts";
import { readImage, readManifest } from "../../snapshot/mod.ts";
import { printJson, printLine, table } from "../io.ts";
import { entryJson, entryLine, formatCount, formatTime, imageJson } from "./format.ts";
import { pathOf, requireEntry, warnOfIndex } from "./paths.ts";
import { type StoreSession, withStore } from "./session.ts";

const EXAMPLES = `
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
  const { layers, index } = await readImage(store, image.manifest, signal);
  const { config } = manifest;
  return { manifest: { digest: image.manifest, size: manifest.size }, config, index, layers };
}

async function showImage(session: StoreSession, image: FoundImage): Promise<void> {
  const { manifest, config, index, layers } = await describe(session, image);
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
    ["manifest", blob(manifest)],
    ["config", blob(config)],
    ["index", index ? blob(index) : "(none)"],
    ...layers.map((layer, n) => [`layer ${n}`, blob(layer)]),
  ]));
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
  const description = { ...imageJson(image), ...await describe(session, image) };
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
