/** `wsdaemon images ls`. */

import { Command } from "commander";
import { formatSize } from "../../config/mod.ts";
import type { Image } from "../../wire/mod.ts";
import { withSession } from "../client/connect.ts";
import { Failure } from "../failure.ts";
import { printError, printJson, printLine, table } from "../io.ts";
import { printable, timeOf } from "../operations/format.ts";
import { formatCount, formatTime } from "../store/format.ts";
import { imageKindName } from "./format.ts";

const EXAMPLES = `
"wsdaemon images show URL" counts what one takes in the store. Exit code 1 where a reference could not
be read: it is named on stderr by its key, which "images rm" takes for a url.

Examples:
    $ wsdaemon images ls --owner alice --meta-id notes
    $ wsdaemon images ls --json | jq -r '.[] | select(.kind == "IMAGE_KIND_SNAPSHOT") | .url'
`;

const HEADINGS = ["KIND", "OWNER", "META_ID", "CREATED", "FILES", "CONTENT", "URL"] as const;

/** Returns `images ls`. */
export function lsCommand(): Command {
  return new Command("ls")
    .description("List backups and snapshots")
    .option("--owner <owner>", "of this owner only")
    .option("--meta-id <id>", "of this meta_id of the owner only")
    .addHelpText("after", EXAMPLES)
    .action(async (flags: { owner?: string; metaId?: string }, command: Command) => {
      const { owner = "", metaId = "" } = flags;
      await withSession(command, async ({ operations, call, json }) => {
        const images: Image[] = [];
        let unreadable = 0;
        for await (const page of operations.pages("listImages", { owner, metaId }, call)) {
          images.push(...page.images);
          unreadable += page.unreadable.length;
          for (const { key, problem } of page.unreadable) {
            printError(`error: DATA_LOSS: ${printable(key)}: ${printable(problem)}`);
          }
        }
        if (json) {
          const { imageToJson } = await import("../../client/mod.ts");
          printJson(images.map(imageToJson));
        } else if (images.length > 0) printLine(table([HEADINGS, ...images.map(row)]));
        if (unreadable > 0) throw new Failure();
      });
    });
}

function row({ kind, owner, metaId, createTime, files, contentBytes, url }: Image): string[] {
  return [
    imageKindName(kind),
    owner,
    metaId,
    formatTime(timeOf(createTime) ?? 0),
    formatCount(Number(files)),
    formatSize(Number(contentBytes)),
    url,
  ];
}
