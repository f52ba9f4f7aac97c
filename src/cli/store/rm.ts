/** `wsdaemon store rm`. */

import { Command } from "commander";
import { DaemonError } from "../../errors.ts";
import { type FoundImage, removeImages } from "../../inspect/mod.ts";
import { Failure } from "../failure.ts";
import { printError, printJson, printLine } from "../io.ts";
import { imageJson } from "./format.ts";
import { withStore } from "./session.ts";

const EXAMPLES = `
Nothing is asked. A backup's URL with "@sha256:..." means that one backup; without, every backup of
that owner and meta_id. Space is freed by the next "store gc", of what no other image needs. URLs
that mean nothing are named on stderr; the others are removed all the same, and the exit code is 1.
A reference that cannot be read is removed by its URL without a digest, or by its key "refs/...".

Examples:
    $ wsdaemon store rm wsdaemon:snapshot/alice/notes/20260101T120000Z-0123456789abcdef
    $ wsdaemon store ls --owner alice --json | jq -r '.[].url' | xargs wsdaemon store rm
`;

/** Returns `store rm`. */
export function rmCommand(): Command {
  return new Command("rm")
    .description("Forget snapshots and backups")
    .argument("<url...>", "images")
    .addHelpText("after", EXAMPLES)
    .action(async (urls: string[], _options: unknown, command: Command) => {
      await withStore(command, async ({ store, signal, json }) => {
        const removed: FoundImage[] = [];
        const unreadable: string[] = [];
        let failures = 0;
        for (const url of new Set(urls)) {
          try {
            const images = await removeImages(store, url, signal);
            removed.push(...images);
            if (images.length === 0) unreadable.push(url);
            if (!json) {
              for (const image of images) printLine(`removed ${image.url}`);
              if (images.length === 0) printLine(`removed ${url}, which could not be read`);
            }
          } catch (error) {
            if (!isAboutUrl(error)) throw error;
            failures++;
            printError(`error: ${error.code}: ${error.message}`);
          }
        }
        if (json) printJson({ removed: removed.map(imageJson), unreadable });
        else if (removed.length + unreadable.length > 0) {
          printLine('What only they needed is freed by the next "wsdaemon store gc".');
        }
        if (failures > 0) throw new Failure();
      });
    });
}

/** Returns whether the failure concerns this url alone, so that the others can still be removed. */
function isAboutUrl(error: unknown): error is DaemonError {
  return error instanceof DaemonError &&
    ["DATA_LOSS", "INVALID_ARGUMENT", "NOT_FOUND"].includes(error.code);
}
