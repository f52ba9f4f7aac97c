/** `wsdaemon images show`. */

import { Command } from "commander";
import { formatSize } from "../../config/mod.ts";
import { withSession } from "../client/connect.ts";
import { printJson, printLine, table } from "../io.ts";
import { timeOf } from "../operations/format.ts";
import { formatCount, formatTime } from "../store/format.ts";
import { imageKindName } from "./format.ts";

const EXAMPLES = `
STORED is what all its blobs take, of which other images may need some, too. The files in an image are
shown by "wsdaemon store show URL --files", on a machine that has the store's config.

Examples:
    $ wsdaemon images show wsdaemon:backup/alice/notes
`;

/** Returns `images show`. */
export function showCommand(): Command {
  return new Command("show")
    .description("Show an image and what it takes in the store")
    .argument("<url>", "the image; a backup's without a digest is the latest one")
    .addHelpText("after", EXAMPLES)
    .action(async (url: string, _options: unknown, command: Command) => {
      await withSession(command, async ({ operations, call, json }) => {
        const found = await operations.call("getImage", { url }, call);
        if (json) {
          const { imageDetailsToJson } = await import("../../client/mod.ts");
          return printJson(imageDetailsToJson(found));
        }
        const { image, layers, storedBytes } = found;
        if (!image) return;
        printLine(table([
          ["url", image.url],
          ["kind", imageKindName(image.kind)],
          ["owner", image.owner],
          ["meta_id", image.metaId],
          ["created", formatTime(timeOf(image.createTime) ?? 0)],
          ["files", formatCount(Number(image.files))],
          ["content", formatSize(Number(image.contentBytes))],
          ["layers", formatCount(layers)],
          ["stored", formatSize(Number(storedBytes))],
          ["manifest", image.manifest],
        ]));
      });
    });
}
