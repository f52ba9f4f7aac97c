/** `wsdaemon client init`. */

import { Command } from "commander";
import { resolve } from "@std/path";
import { isObject } from "../../config/mod.ts";
import { explainPath, messageOf } from "../../errors.ts";
import { Failure } from "../failure.ts";
import { printJson, printLine } from "../io.ts";
import { sizeParser } from "../option_values.ts";
import { withSession } from "./connect.ts";
import { followed } from "./follow.ts";
import { addInitializerFlags, combine, type InitializerJson } from "./initializers.ts";

const REQUEST_HELP = "it is to be an InitWorkspaceRequest in JSON, see --help";

const EXAMPLES = `
REQUEST is an InitWorkspaceRequest as proto3 JSON, from a file or from stdin ("-"). It can say
everything that the API can, Git credentials among it; the flags are for the common cases. Several
initializers in one command run in the order given. The call returns once the content is whole.

Examples:
  A branch of a repository in its own folder, and a file beside it:
    $ wsdaemon client init --id w1 --owner alice --meta-id site \\
        --git https://github.com/denoland/std --branch main --checkout std \\
        --download https://example.com/a.bin=tools/a.bin#sha256:e3b0c44298fc1c149afbf4c8996fb924...
  Where the last instance of the workspace left off, with at most 10 GiB:
    $ wsdaemon client init --id w2 --owner alice --meta-id site --from-backup --quota 10GiB
  As JSON:
    $ echo '{"id": "w3", "metadata": {"owner": "alice", "metaId": "site"},
        "initializer": {"empty": {}}}' | wsdaemon client init -
`;

interface InitFlags {
  id?: string;
  owner?: string;
  metaId?: string;
  quota?: number;
  remoteStorage: boolean;
}

/** Returns `client init`. */
export function initCommand(): Command {
  const command = new Command("init")
    .description("Create a workspace and fill it")
    .argument("[request]", 'file with the request as JSON, or "-" for stdin')
    .option("--id <id>", "the workspace's id")
    .option("--owner <owner>", "whose content it is")
    .option("--meta-id <id>", "its identity across instances; backups belong to it")
    .addHelpText("after", EXAMPLES);
  const initializers = addInitializerFlags(command);
  return command
    .option("--quota <size>", 'limit of its content, such as "10GiB"', sizeParser("10GiB"))
    .option("--no-remote-storage", "forbid snapshots and backups of it")
    .action(async (file: string | undefined, flags: InitFlags) => {
      const json = file === undefined
        ? fromFlags(command, flags, combine(initializers))
        : await fromFile(command, file, initializers.length > 0);
      await withSession(command, async (session) => {
        const { initRequestFromJson } = await import("../../client/mod.ts");
        const request = initRequestFromJson(json);
        await followed(
          session,
          request.id,
          () => session.client.initWorkspace(request, session.call),
        );
        if (session.json) printJson({ id: request.id });
        else printLine(`${request.id} is ready`);
      });
    });
}

/** Returns the request that the flags describe, as JSON; a usage error names what is missing. */
function fromFlags(
  command: Command,
  { id, owner, metaId, quota, remoteStorage }: InitFlags,
  initializer: InitializerJson | undefined,
): unknown {
  const missing = Object.entries({ "--id": id, "--owner": owner, "--meta-id": metaId })
    .flatMap(([flag, value]) => value === undefined ? [flag] : []);
  if (!initializer) missing.push("an initializer such as --empty or --git");
  if (missing.length > 0) {
    command.error(`error: expected a request, or flags; missing: ${missing.join(", ")}`);
  }
  return {
    id,
    metadata: { owner, metaId },
    initializer,
    remoteStorageDisabled: !remoteStorage,
    ...(quota === undefined ? {} : { storageQuotaBytes: String(quota) }),
  };
}

/** Reads the request from a file or stdin. @throws {Failure} if it cannot be read or is no JSON object */
async function fromFile(
  command: Command,
  file: string,
  hasInitializerFlags: boolean,
): Promise<unknown> {
  const hasRequestFlags = ["id", "owner", "metaId", "quota", "remoteStorage"]
    .some((name) => command.getOptionValueSource(name) === "cli");
  if (hasInitializerFlags || hasRequestFlags) {
    command.error("error: expected a request or flags, not both");
  }
  const name = file === "-" ? "stdin" : resolve(file);
  const problem = (why: string, cause?: unknown) =>
    new Failure(`Cannot read the request from ${name}: ${why}`, { cause });
  let text: string;
  try {
    text = file === "-"
      ? await new Response(Deno.stdin.readable).text()
      : await Deno.readTextFile(file);
  } catch (error) {
    throw problem(explainPath(error, name), error);
  }
  if (text.trim() === "") throw problem(`it is empty; ${REQUEST_HELP}`);
  let request: unknown;
  try {
    request = JSON.parse(text);
  } catch (error) {
    throw problem(`it is not JSON (${messageOf(error)}); ${REQUEST_HELP}`, error);
  }
  if (!isObject(request)) throw problem(`it is not a JSON object; ${REQUEST_HELP}`);
  return request;
}
