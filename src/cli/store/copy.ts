/** `wsdaemon store copy`. */

import { Command, InvalidArgumentError } from "commander";
import { systemClock } from "../../clock.ts";
import { DaemonError } from "../../errors.ts";
import {
  type BlobSource,
  type CopyFilter,
  copyImages,
  type CopyOptions,
  type CopyResult,
} from "../../inspect/mod.ts";
import { isIdentityPart } from "../../snapshot/mod.ts";
import { openStore, type StorageOptions } from "../../store/mod.ts";
import { Metrics } from "../../telemetry/mod.ts";
import { Failure, localFailure } from "../failure.ts";
import { printError, printJson, printLine } from "../io.ts";
import { Progress } from "../progress.ts";
import { formatCount, formatTally } from "./format.ts";
import { isSameStore, namedStore } from "./named_store.ts";
import {
  type CommandSession,
  openSource,
  openSpool,
  requireStorage,
  withSession,
} from "./session.ts";

const EXAMPLES = `
Copies backups with their histories and labels, and snapshots, of the identities given, or of all, from one
store to another. A store is named by a config file whose "storage" says where it is, by the folder of an
embedded store, or by a root with one; an empty folder becomes a store. Daemons may use both meanwhile;
what they save after an identity was copied is copied by the next run.
Every blob is checked against its digest on the way, and an image shows in the target once all of it is
there. An interrupted copy is begun anew by the same command, and goes on with what is missing. What the target
has stays: histories are merged by time, and a backup of its own that is newer stays the latest.
Terminal logs and plain archives are not copied. TMPDIR must have room for a few layers.

Examples:
    $ wsdaemon store copy --from /var/lib/wsdaemon --to /etc/wsdaemon/bucket.json
    $ wsdaemon store copy --from old.json --to new.json alice bob/site
`;

interface CopyFlags {
  from?: string;
  to: string;
}

/** Returns `store copy`. */
export function copyCommand(): Command {
  return new Command("copy")
    .description("Copy backups and snapshots to another store")
    .argument(
      "[identity...]",
      "OWNER/META_ID, or OWNER for all of one; all unless given",
      identities,
    )
    .option("--from <store>", "where from; the configured store unless given")
    .requiredOption("--to <store>", "where to")
    .addHelpText("after", EXAMPLES)
    .action(async (only: CopyFilter[], flags: CopyFlags, command: Command) => {
      await withSession(command, async (session) => {
        const result = await copy(session, flags, only.length > 0 ? { only } : {});
        if (session.json) printJson(result);
        else for (const line of describe(result)) printLine(line);
        if (result.failures.length === 0) return;
        for (const { what, problem } of result.failures) {
          printError(`error: ${what} was not copied: ${problem}`);
        }
        throw new Failure(`${formatCount(result.failures.length)} could not be copied`, {
          code: "DATA_LOSS",
        });
      });
    });
}

async function copy(
  session: CommandSession,
  { from, to }: CopyFlags,
  options: CopyOptions,
): Promise<CopyResult> {
  const { config, stack, signal } = session;
  const source = from === undefined
    ? requireStorage(config)
    : await namedStore(from, { flag: "--from" });
  const target = await namedStore(to, { flag: "--to", mayBeEmpty: true });
  const spool = await openSpool(stack);
  const opened: BlobSource = await openSource(source, spool, stack);
  refuseSame(source, target);
  const store = await openStore(target, { spoolDir: spool.path, metrics: new Metrics() });
  stack.defer(() => store.close());
  using progress = new Progress();
  try {
    return await copyImages({ from: opened, to: store, spoolDir: spool.path, clock: systemClock }, {
      ...options,
      signal,
      onProgress: ({ identities, ofIdentities, blobs, bytes }) =>
        progress.update({
          doing: "copying",
          fraction: identities / Math.max(1, ofIdentities),
          detail: `identity ${formatCount(Math.min(identities + 1, ofIdentities))} of ` +
            `${formatCount(ofIdentities)}, ${formatTally({ count: blobs, bytes })} sent`,
        }),
    });
  } catch (error) {
    throw goesOn(localFailure(error));
  }
}

/** Says that the copy goes on where it was, in what ended it. */
function goesOn(error: unknown): unknown {
  if (!(error instanceof DaemonError) || error.code === "NOT_FOUND") return error;
  return new DaemonError(
    error.code,
    `${error.message}. What was copied by then stays: the same command goes on from there`,
    { cause: error },
  );
}

/** Refuses to copy a store to itself. @throws {DaemonError} INVALID_ARGUMENT */
function refuseSame(source: StorageOptions, target: StorageOptions): void {
  if (!isSameStore(source, target)) return;
  throw new DaemonError(
    "INVALID_ARGUMENT",
    "--from and --to are one and the same store; name two different ones",
  );
}

function describe(result: CopyResult): string[] {
  const { identities, copied, present, blobs, bytes, newer, older } = result;
  const images = copied.length === 1 ? "image" : "images";
  const whose = identities === 1 ? "identity" : "identities";
  return [
    `${formatCount(copied.length)} ${images} of ${formatCount(identities)} ${whose} copied ` +
    `(${formatTally({ count: blobs, bytes })}), ${formatCount(present)} there already`,
    ...newer.map((url) => `${url} of the target is newer and stays the latest`),
    ...older.map((url) => `${url} of the target is older and is kept below what was copied`),
  ];
}

function identities(text: string, previous: CopyFilter[] = []): CopyFilter[] {
  const [owner, metaId, ...more] = text.split("/");
  const parts = [owner!, ...(metaId === undefined ? [] : [metaId])];
  if (more.length > 0 || !parts.every(isIdentityPart)) {
    throw new InvalidArgumentError("Expected OWNER/META_ID or OWNER.");
  }
  return [...previous, { owner: owner!, ...(metaId === undefined ? {} : { metaId }) }];
}
