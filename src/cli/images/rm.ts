/** `wsdaemon images rm`. */

import { Command } from "commander";
import type { DeleteImagesResponse } from "../../wire/mod.ts";
import { type Session, withSession } from "../client/connect.ts";
import { Failure } from "../failure.ts";
import { printError, printJson, printLine } from "../io.ts";
import { printable } from "../operations/format.ts";

const EXAMPLES = `
Nothing is asked. A backup's URL with "@sha256:..." means that one backup; without, every backup of
that owner and meta_id. With --owner and --meta-id, all images of both. URLs that mean nothing are
named on stderr; the others are removed all the same, and the exit code is 1. Space is freed by the
next collection, of what no other image needs.

Examples:
    $ wsdaemon images rm wsdaemon:snapshot/alice/notes/20260101T120000Z-0123456789abcdef
    $ wsdaemon images rm --owner alice --meta-id notes
`;

/** Urls in one request. */
const MAX_URLS = 1000;

interface RmFlags {
  owner?: string;
  metaId?: string;
}

/** Returns `images rm`. */
export function rmCommand(): Command {
  return new Command("rm")
    .description("Forget snapshots and backups")
    .argument("[url...]", "images")
    .option("--owner <owner>", "with --meta-id, and without URLs: all images of both")
    .option("--meta-id <id>", "the meta_id")
    .addHelpText("after", EXAMPLES)
    .action(async (urls: string[], { owner, metaId }: RmFlags, command: Command) => {
      const isOfIdentity = owner !== undefined && metaId !== undefined;
      const isHalf = (owner === undefined) !== (metaId === undefined);
      if (isHalf || isOfIdentity === (urls.length > 0)) {
        command.error("error: name images by their URLs, or by --owner and --meta-id");
      }
      const requests = isOfIdentity ? [{ owner, metaId }] : inParts(urls);
      await withSession(command, (session) => removeAll(requests, session));
    });
}

function inParts(urls: readonly string[]): { urls: string[] }[] {
  const count = Math.ceil(urls.length / MAX_URLS);
  return Array.from(
    { length: count },
    (_, n) => ({ urls: urls.slice(n * MAX_URLS, (n + 1) * MAX_URLS) }),
  );
}

async function removeAll(
  requests: readonly ({ urls: string[] } | { owner: string; metaId: string })[],
  { operations, call, json }: Session,
): Promise<void> {
  const removed: string[] = [];
  let failures = 0;
  for (const request of requests) {
    const answer = await operations.call("deleteImages", request, call);
    removed.push(...answer.urls);
    failures += answer.failures.length;
    if (!json) { for (const url of answer.urls) printLine(`removed ${printable(url)}`); }
    answer.failures.forEach(printFailure);
  }
  if (json) printJson({ removed });
  else if (removed.length > 0) {
    printLine('What only they needed is freed by the next collection ("wsdaemon collect").');
  }
  if (failures > 0) throw new Failure();
}

function printFailure({ url, failure }: DeleteImagesResponse["failures"][number]): void {
  const { code = "UNKNOWN", message = url } = failure ?? {};
  printError(`error: ${code}: ${printable(message)}`);
}
