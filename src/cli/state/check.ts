/** `wsdaemon state check`. */

import { Command } from "commander";
import { checkState, type StateReport } from "../../workspace/mod.ts";
import { Failure } from "../failure.ts";
import { printJson, printLine, table } from "../io.ts";
import { addRootFlags, withRoot } from "./with_root.ts";

const EXAMPLES = `
The daemon must be stopped. For each workspace and each folder among the workspaces it says

  known      the journal has it, and its content is there
  missing    the journal has it, and its content is not there
  adoptable  the journal does not have it, and the record beside its content says whose it is
  unknown    the journal does not have it, and nothing says whose it is

and exits 1 unless all are known.

Examples:
    $ wsdaemon state check --config /etc/wsdaemon/config.json
    $ wsdaemon state check --root /var/lib/wsdaemon --json
`;

/** Returns `state check`. */
export function stateCheckCommand(): Command {
  return addRootFlags(new Command("check"))
    .description("Compare the journal of a stopped daemon with the content that is there")
    .addHelpText("after", EXAMPLES)
    .action(({ json }: { json?: true }, command: Command) => {
      const report = withRoot(command, checkState);
      if (json) printJson(report);
      else printLine(table(rowsOf(report)));
      const isWhole = report.workspaces.every(({ outcome }) => outcome === "known");
      if (!isWhole || report.journal.outcome === "damaged") throw new Failure();
    });
}

function rowsOf({ journal, workspaces }: StateReport): string[][] {
  return [
    [journal.outcome, journal.path, journal.problem ?? "the journal"],
    ...workspaces.map(({ id, outcome, owner, metaId, problem }) => [
      outcome,
      id,
      problem ?? `${owner}/${metaId}`,
    ]),
  ];
}
