/** `wsdaemon store export`. */

import { Command } from "commander";
import { resolve } from "@std/path";
import { formatSize } from "../../config/mod.ts";
import { DaemonError } from "../../errors.ts";
import {
  exportOci,
  findImage,
  type FoundImage,
  ImageFiles,
  OCI_TAG,
  tarOf,
} from "../../inspect/mod.ts";
import { localFailure } from "../failure.ts";
import { printJson, printLine, writeBytes } from "../io.ts";
import { Progress } from "../progress.ts";
import { formatTally } from "./format.ts";
import { warnOfIndex } from "./paths.ts";
import { type StoreSession, withStore } from "./session.ts";

const EXAMPLES = `
--oci writes the image as it is stored, layers and all, under the tag "${OCI_TAG}"; one that only
wsdaemon reads (a native one) is made into one that other tools read.
--tar writes what is live in it as one plain archive with owners, times, attributes, hard links and
holes. Every blob is checked against its digest first; after a failure nothing is left of the output,
and an archive on stdout has no end marker.

Examples:
    $ wsdaemon store export wsdaemon:backup/alice/notes --tar notes.tar
    $ wsdaemon store export wsdaemon:backup/alice/notes --tar - | tar -xpC /tmp/notes --xattrs
    $ wsdaemon store export wsdaemon:backup/alice/notes --oci notes
    $ skopeo copy oci:notes:${OCI_TAG} docker://registry.example.com/notes:1
    $ umoci unpack --image notes:${OCI_TAG} bundle
`;

interface ExportFlags {
  oci?: string;
  tar?: string;
}

/** Returns `store export`. */
export function exportCommand(): Command {
  return new Command("export")
    .description("Write an image for other tools")
    .argument("<url>", "the image")
    .option("--oci <dir>", "as an OCI layout in a folder, which must be empty or not be there")
    .option("--tar <file>", 'as a tar archive; "-" for stdout')
    .addHelpText("after", EXAMPLES)
    .action(async (url: string, { oci, tar }: ExportFlags, command: Command) => {
      if ((oci === undefined) === (tar === undefined)) {
        command.error("error: expected either --oci DIR or --tar FILE");
      }
      if (tar === "-" && Deno.stdout.isTerminal()) {
        command.error("error: expected stdout to be a file or a pipe, not a terminal");
      }
      await withStore(command, async (session) => {
        const image = await findImage(session.store, url, session.signal);
        if (oci !== undefined) await toOci(session, image, oci);
        else if (tar === "-") await writeTar(session, image, Deno.stdout);
        else await toTarFile(session, image, tar!);
      });
    });
}

/** Writes an image as an OCI layout and prints its tally. */
async function toOci(session: StoreSession, image: FoundImage, folder: string): Promise<void> {
  using progress = new Progress();
  const exported = exportOci(session, image.manifest, folder, {
    signal: session.signal,
    onProgress: ({ bytes, ofBytes }) =>
      progress.update({
        doing: "copying",
        fraction: bytes / ofBytes,
        detail: `${formatSize(bytes)} of ${formatSize(ofBytes)}`,
      }),
  });
  const { blobs, bytes } = await exported.catch((error) => {
    throw localFailure(error, `Cannot export to ${folder}`, resolve(folder));
  });
  progress[Symbol.dispose]();
  if (session.json) printJson({ url: image.url, oci: folder, tag: OCI_TAG, blobs, bytes });
  else printLine(`${folder}:${OCI_TAG} is ${image.url} (${formatTally({ count: blobs, bytes })})`);
}

/** Writes the archive to a temporary file beside `path`, syncs it, and renames it once it is whole. */
async function toTarFile(session: StoreSession, image: FoundImage, path: string): Promise<void> {
  await requireFree(path);
  const temporary = `${path}.${crypto.randomUUID()}.partial`;
  let bytes: number;
  try {
    using file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
    bytes = await writeTar(session, image, file);
    await file.sync();
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw localFailure(error, `Cannot write ${path}`, resolve(path));
  }
  if (session.json) printJson({ url: image.url, tar: path, bytes });
  else printLine(`${path} is ${image.url} (${formatSize(bytes)})`);
}

/** Writes an image as a tar archive. @returns bytes written */
async function writeTar(
  session: StoreSession,
  { manifest, contentBytes }: FoundImage,
  to: { write(bytes: Uint8Array): Promise<number> },
): Promise<number> {
  const { signal } = session;
  await using image = await ImageFiles.open(session, manifest, {
    signal,
    onDamagedIndex: warnOfIndex,
  });
  using progress = new Progress();
  let bytes = 0;
  for await (const chunk of tarOf(image, { signal })) {
    await writeBytes(to, chunk);
    bytes += chunk.length;
    progress.update({
      doing: "writing",
      fraction: bytes / Math.max(bytes, contentBytes),
      detail: formatSize(bytes),
    });
  }
  return bytes;
}

/** Checks that nothing is at a path. @throws {DaemonError} ALREADY_EXISTS */
async function requireFree(path: string): Promise<void> {
  try {
    await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw localFailure(error, `Cannot export to ${path}`, resolve(path));
  }
  throw new DaemonError(
    "ALREADY_EXISTS",
    `Cannot export to ${path}: it is there already; choose another name, or remove what is there`,
  );
}
