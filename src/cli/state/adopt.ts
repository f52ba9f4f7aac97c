/** `wsdaemon state adopt`. */

import { Command, Option } from "commander";
import { isIdentityPart } from "../../snapshot/mod.ts";
import { adopt, type Adoption, type AdoptOptions } from "../../workspace/mod.ts";
import { Failure } from "../failure.ts";
import { printError, printJson, printLine } from "../io.ts";
import { addRootFlags, withRoot } from "./with_root.ts";

const EXAMPLES = `
The daemon must be stopped. Content that the journal does not know is a workspace again when the daemon
starts. Whose it is, the record beside it says; where there is none, or it is of another folder, name
owner and meta_id. They decide who may restore its backups: do not guess. A damaged journal is moved
aside, and stays. Lost are promised snapshots that were not stored yet, and, without a record, quotas.

Examples:
    $ wsdaemon state adopt --all
    $ wsdaemon state adopt w1 w2
    $ wsdaemon state adopt w3 --owner alice --meta-id notes
`;

interface AdoptFlags {
  all?: true;
  owner?: string;
  metaId?: string;
  json?: true;
}

/** Returns `state adopt`. */
export function stateAdoptCommand(): Command {
  return addRootFlags(new Command("adopt"))
    .description("Make workspaces again of content that the journal of a stopped daemon has lost")
    .argument("[ids...]", "ids of workspaces: the names of their folders")
    .addOption(new Option("--all", "all whose record says whose they are"))
    .option("--owner <owner>", "whose the one workspace is, where no record says so")
    .option("--meta-id <id>", "its meta_id, where no record says so")
    .addHelpText("after", EXAMPLES)
    .action((ids: string[], flags: AdoptFlags, command: Command) => {
      const options = optionsOf(ids, flags, command);
      const adoption = withRoot(command, (root) => adopt(root, options));
      if (flags.json) printJson(adoption);
      else report(adoption);
      if (adoption.left.length > 0) throw new Failure();
    });
}

/** Ends the command with a usage error where the flags do not fit each other. */
function optionsOf(
  ids: readonly string[],
  { all, owner, metaId }: AdoptFlags,
  command: Command,
): AdoptOptions {
  const wrong = (words: string) => command.error(`error: ${words}`);
  if ((ids.length > 0) === !!all) return wrong("name workspaces, or --all");
  if (owner === undefined && metaId === undefined) return ids.length > 0 ? { ids } : {};
  if (owner === undefined || metaId === undefined) {
    return wrong("--owner and --meta-id need each other");
  }
  if (ids.length !== 1) return wrong("--owner and --meta-id are for one workspace");
  for (const [flag, value] of [["--owner", owner], ["--meta-id", metaId]] as const) {
    if (!isIdentityPart(value)) {
      return wrong(`${flag} must be 1 to 256 characters of A-Za-z0-9._@:+=-`);
    }
  }
  return { ids, identity: { owner, metaId } };
}

function report({ movedJournal, adopted, left }: Adoption): void {
  if (movedJournal !== undefined) printLine(`moved the damaged journal to ${movedJournal}`);
  for (const { id, owner, metaId } of adopted) printLine(`adopted ${id}, ${owner}/${metaId}`);
  for (const { id, problem } of left) {
    printError(`left ${id}: ${problem}; say whose it is by --owner and --meta-id`);
  }
}
