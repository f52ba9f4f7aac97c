/** `wsdaemon store import`. */

import { Command, InvalidArgumentError } from "commander";
import { systemClock } from "../../clock.ts";
import { formatSize } from "../../config/mod.ts";
import type { IdRenumbering } from "../../content/mod.ts";
import { readDiskSpace } from "../../disk_space.ts";
import { DaemonError, type ErrorCode } from "../../errors.ts";
import { importBackup, type ImportedBackup } from "../../migrate/mod.ts";
import { isIdentityPart } from "../../snapshot/mod.ts";
import { sizeParser } from "../option_values.ts";
import { printError, printJson, printLine } from "../io.ts";
import { Progress } from "../progress.ts";
import { storeFolder } from "../../store/mod.ts";
import { formatCount } from "./format.ts";
import { startContent } from "./import_content.ts";
import { findSource } from "./import_source.ts";
import { type StoreSession, withStore } from "./session.ts";

const EXAMPLES = `
SOURCE is a tar archive (plain, gzip or zstd), a folder, an OCI layout (DIR, or DIR:TAG), or a plain archive
of the store, <object>@<bucket>. It becomes a backup of the identity, of a lineage of its own, from which a
workspace starts like from any other. No daemon is needed, and any may run.
An identity that has a backup is refused; with --add those stay, and the import is the latest from now on.
The source is unpacked below TMPDIR by confined threads, and treated as hostile: what would leave its tree is
refused, what grows beyond --limit too, and set-id bits, devices and privileged attributes are dropped, counted
and told. --trusted keeps these, for archives that you made. Only root can keep owners.
--map-ids gives users and groups other numbers: 133332:33333:1 makes 33333 of 133332; others stay.

Examples:
    $ wsdaemon store import full.tar --owner alice --meta-id notes
    $ wsdaemon store import alice/workspaces/notes/full.tar@workspaces --owner alice --meta-id notes
    $ wsdaemon store import /srv/notes --owner alice --meta-id notes --map-ids 133332:33333:1
`;

interface ImportFlags {
  owner: string;
  metaId: string;
  mapIds?: IdRenumbering[];
  trusted?: boolean;
  limit?: number;
  add?: boolean;
}

/** Returns `store import`. */
export function importCommand(): Command {
  return new Command("import")
    .description("Make an archive, a folder or an OCI image the backup of an identity")
    .argument("<source>", "what to import")
    .requiredOption("--owner <owner>", "whose it is", identityPart)
    .requiredOption("--meta-id <id>", "the workspace's identity across instances", identityPart)
    .option("--map-ids <from:to:count,...>", "other numbers for users and groups", renumberings)
    .option("--trusted", "keep set-id bits, devices and privileged attributes")
    .option("--limit <size>", "the most to unpack; half of what is free there", sizeParser("20GiB"))
    .option("--add", "also where the identity has backups, which stay")
    .addHelpText("after", EXAMPLES)
    .action(async (text: string, flags: ImportFlags, command: Command) => {
      await withStore(command, async (session) => {
        requireRights(flags);
        const imported = await runImport(session, text, flags);
        if (session.json) printJson(imported);
        else describe(imported, text, flags).forEach(printLine);
      });
    });
}

async function runImport(
  session: StoreSession,
  text: string,
  { owner, metaId, mapIds = [], trusted = false, limit, add = false }: ImportFlags,
): Promise<ImportedBackup> {
  const { config, store, signal, stack, spoolDir } = session;
  const found = await findSource(text, session, stack);
  const blobs = found.blobs ?? storeFolder(config.storage)?.path;
  const areas = {
    spool: spoolDir,
    ...(blobs === undefined ? {} : { blobs: await Deno.realPath(blobs) }),
    ...(found.trees === undefined ? {} : { trees: found.trees }),
  };
  const { promise: died, reject } = Promise.withResolvers<never>();
  using progress = new Progress();
  const imported = importBackup(found.source, {
    ...{ store, clock: systemClock, signal, trusted },
    startContent: () => startContent({ config, ...areas, renumber: mapIds, died: reject }, stack),
    name: found.what,
    identity: { owner, metaId },
    owner: config.contentOwner,
    limitBytes: limit ?? Math.floor((await readDiskSpace(spoolDir)).free / 2),
    addToOthers: add,
    onStep: (doing) => progress.update({ doing, detail: found.what }),
  });
  try {
    return await Promise.race([imported, died]);
  } catch (error) {
    throw explained(error, found.what);
  }
}

const REMEDIES: Partial<Record<ErrorCode, string>> = {
  ALREADY_EXISTS: "; --add keeps it and makes the import the latest",
  RESOURCE_EXHAUSTED: "; give it more by --limit, or a larger disk by TMPDIR",
};

/** Says what to do, in the failure of an import. */
function explained(error: unknown, what: string): unknown {
  if (!(error instanceof DaemonError) || error.code === "ABORTED") return error;
  const remedy = REMEDIES[error.code] ?? "";
  return new DaemonError(error.code, `Cannot import ${what}: ${error.message}${remedy}`, {
    cause: error,
  });
}

/** Checks that owners can be set, and says so where they are not. @throws {DaemonError} FAILED_PRECONDITION */
function requireRights({ mapIds }: ImportFlags): void {
  if (Deno.uid() === 0) return;
  if (mapIds) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      "Only root can give files other owners, as --map-ids asks for; run this as root",
    );
  }
  printError(
    `warning: all files are imported as user ${Deno.uid()}'s, as only root can keep their owners`,
  );
}

function describe(
  { url, files, contentBytes, omitted, skippedSockets }: ImportedBackup,
  text: string,
  { trusted }: ImportFlags,
): string[] {
  const kinds = Object.entries(omitted.counts).map(([kind, count]) =>
    `${formatCount(count)} ${kind}`
  );
  const keep = trusted ? "" : "; --trusted keeps what policy drops";
  return [
    `${url} is ${text} (${formatCount(files)} ${files === 1 ? "file" : "files"}, ` +
    `${formatSize(contentBytes)})`,
    ...(kinds.length > 0 ? [`left out: ${kinds.join(", ")}${keep}`] : []),
    ...omitted.examples.map((example) => `  ${example}`),
    ...(skippedSockets > 0 ? [`left out: ${formatCount(skippedSockets)} sockets`] : []),
  ];
}

function identityPart(text: string): string {
  if (isIdentityPart(text)) return text;
  throw new InvalidArgumentError(
    'Expected 1 to 256 of A-Z a-z 0-9 . _ @ : + = -, not "." or "..".',
  );
}

/** The largest number of a user or group. */
const MAX_ID = 0xffff_fffe;

function renumberings(text: string): IdRenumbering[] {
  const ranges = text.split(",").map((range) => {
    const [, from, to, count] = /^(\d{1,10}):(\d{1,10}):(\d{1,10})$/.exec(range)?.map(Number) ?? [];
    if (from === undefined || to === undefined || count === undefined || count === 0) {
      throw new InvalidArgumentError("Expected ranges as FROM:TO:COUNT, separated by commas.");
    }
    if (Math.max(from, to) + count - 1 > MAX_ID) {
      throw new InvalidArgumentError(
        `Expected numbers of at most ${MAX_ID}: ${range} exceeds that.`,
      );
    }
    return { from, to, count };
  });
  for (const [n, one] of ranges.entries()) {
    const other = ranges.slice(0, n).find((earlier) =>
      overlap(one.from, earlier.from, one.count, earlier.count) ||
      overlap(one.to, earlier.to, one.count, earlier.count)
    );
    if (!other) continue;
    const [a, b] = [other, one].map(({ from, to, count }) => `${from}:${to}:${count}`);
    throw new InvalidArgumentError(`Expected ranges that share no number: ${a} and ${b} do.`);
  }
  return ranges;
}

function overlap(a: number, b: number, aCount: number, bCount: number): boolean {
  return a < b + bCount && b < a + aCount;
}
