/** `wsdaemon store cat`. */

import { Command } from "commander";
import { DaemonError } from "../../errors.ts";
import { expanded, findImage, type ImageEntry, ImageFiles } from "../../inspect/mod.ts";
import { writeBytes } from "../io.ts";
import { showName } from "./object_names.ts";
import { pathOf, requireEntry, warnOfIndex } from "./paths.ts";
import { withStore } from "./session.ts";

const EXAMPLES = `
Nothing but the file's bytes goes to stdout, holes as zeros. The layer that it lies in is checked
against its digest, whole, before the first byte is written; DATA_LOSS and exit code 1 where it fails.

Examples:
    $ wsdaemon store cat wsdaemon:backup/alice/notes src/main.ts
    $ wsdaemon store cat "$(wsdaemon client snapshot w1)" package.json | jq .version
`;

/** Returns `store cat`. */
export function catCommand(): Command {
  return new Command("cat")
    .description("Write one file of an image to stdout")
    .argument("<url>", "the image")
    .argument("<path>", 'the file, as "show --files" prints it')
    .addHelpText("after", EXAMPLES)
    .action(async (url: string, argument: string, _options: unknown, command: Command) => {
      const path = pathOf(argument, command);
      await withStore(command, async (session) => {
        const { signal } = session;
        const { manifest } = await findImage(session.store, url, signal);
        const options = { signal, onDamagedIndex: warnOfIndex };
        await using image = await ImageFiles.open(session, manifest, options);
        const file = requireFile(requireEntry(image, path, url));
        for await (const piece of expanded(await image.content(file))) {
          signal.throwIfAborted();
          await writeBytes(Deno.stdout, piece);
        }
      });
    });
}

/** Returns the entry if it is a file. @throws {DaemonError} FAILED_PRECONDITION, saying what it is */
function requireFile(entry: ImageEntry): ImageEntry {
  if (entry.type === "file") return entry;
  const name = showName(entry.path);
  const problem = entry.type === "symlink"
    ? `it is a symbolic link to ${showName(entry.link!)}; give the path that it leads to`
    : entry.type === "directory"
    ? "it is a directory; show --files lists it, export gives all"
    : `it is a ${entry.type.replace("-", " ")}`;
  throw new DaemonError("FAILED_PRECONDITION", `Cannot read ${name} as a file: ${problem}`);
}
