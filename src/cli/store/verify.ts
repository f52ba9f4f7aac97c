/** `wsdaemon store verify`. */

import { Command } from "commander";
import { formatSize } from "../../config/mod.ts";
import { type Damage, verifyImages, type VerifyResult } from "../../inspect/mod.ts";
import { Failure } from "../failure.ts";
import { printJson, printLine } from "../io.ts";
import { Progress } from "../progress.ts";
import { describeVerification } from "../verification_report.ts";
import { formatCount } from "./format.ts";
import { withStore } from "./session.ts";

const EXAMPLES = `
Reads every blob of the images given, or of all, and compares it with its digest. What is damaged or
missing is named, with the images that need it and files that have content there, and the exit code is
1. A damaged blob is reused by later backups as long as it is there; with --quarantine it is deleted,
and the next backup of a workspace that still has the content stores it anew. What only that blob held
is gone either way.

Examples:
    $ wsdaemon store verify
    $ wsdaemon store verify wsdaemon:backup/alice/notes
    $ wsdaemon store verify --json | jq -r '.damage[].images[]' | sort -u
`;

interface VerifyFlags {
  quarantine?: boolean;
}

/** Returns `store verify`. */
export function verifyCommand(): Command {
  return new Command("verify")
    .description("Check every digest")
    .argument("[url...]", "images; all unless given")
    .option("--quarantine", "delete blobs that fail their digest, so that backups send them anew")
    .addHelpText("after", EXAMPLES)
    .action(async (urls: string[], { quarantine = false }: VerifyFlags, command: Command) => {
      await withStore(command, async (session) => {
        const { signal, json } = session;
        using progress = new Progress();
        const result = await verifyImages(session, {
          ...(urls.length > 0 ? { urls } : {}),
          quarantine,
          signal,
          onProgress: ({ blobs, ofBlobs, bytes, ofBytes }) =>
            progress.update({
              doing: "verifying",
              fraction: bytes / ofBytes,
              detail: `blob ${formatCount(blobs)} of ${formatCount(ofBlobs)}, ` +
                `${formatSize(bytes)} of ${formatSize(ofBytes)}`,
            }),
        });
        progress[Symbol.dispose]();
        if (json) printJson(result);
        else printResult(result);
        if (result.damage.length > 0) throw new Failure(summary(result), { code: "DATA_LOSS" });
      });
    });
}

function printResult(result: VerifyResult): void {
  for (const damage of result.damage) printDamage(damage);
  for (const digest of result.quarantined) printLine(`deleted: ${digest}`);
  printLine(describeVerification(result, result.damage.length));
}

function printDamage({ what, problem, images, files = [] }: Damage): void {
  printLine(`damaged: ${what}: ${problem}`);
  for (const url of images) printLine(`  needed by ${url}`);
  for (const file of files) printLine(`  has content of ${file}`);
}

function summary({ damage, images }: VerifyResult): string {
  const hit = new Set(damage.flatMap((one) => one.images)).size;
  const references = damage.filter((one) => one.images.length === 0).length;
  const lost = references > 0 ? `, and ${references} references cannot be read` : "";
  return `${hit} of ${images} images are damaged${lost}`;
}
