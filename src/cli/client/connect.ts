/** What the client's commands share: the connection, its flags and the workspace's id. */

import { type Command, InvalidArgumentError, Option } from "commander";
import { resolve } from "@std/path";
import { explainPath, messageOf } from "../../errors.ts";
import { clientWarning } from "../../deno_version.ts";
import { parseAddress } from "../../address.ts";
import type {
  CallOptions,
  ClientTls,
  OperationsClient,
  WorkspaceClient,
} from "../../client/mod.ts";
import { checkTlsMaterial } from "../../certificates.ts";
import { EXIT, Failure } from "../failure.ts";
import { interruptedFailure, interruption } from "../interruption.ts";
import { printError } from "../io.ts";
import { durationParser } from "../option_values.ts";
import { goesOn } from "./goes_on.ts";
import { nodeAddresses } from "./node_address.ts";
import { explainUnreachable, serverHint } from "./unreachable.ts";

/** The values of the connection's flags. */
interface ConnectionFlags {
  addr?: string;
  timeout?: number;
  json?: true;
  quiet?: true;
  tls?: true;
  tlsCa?: string;
  tlsCert?: string;
  tlsKey?: string;
  tlsServerName?: string;
}

/** A connection for one command, with the options that its flags give. */
export interface Session {
  client: WorkspaceClient;
  /** The calls of operators, which a daemon may serve at another address than the API. */
  operations: OperationsClient;
  /** Deadline and warnings of every call. */
  call: CallOptions;
  /** Whether to print JSON. */
  json: boolean;
  /** Whether to show no progress. */
  quiet: boolean;
  /** The address of the calls of operators. */
  operationsAddress: string;
  /** The workspace that is worked on, once there is one. */
  workspaceId?: string;
  /** The operation that is waited for, once there is one. */
  operationId?: string;
  /** When `--timeout` passes, in milliseconds since the epoch; absent for never. */
  until?: number;
  /** Aborts on SIGINT and SIGTERM, which cancel every call. */
  interrupted: AbortSignal;
}

/** Where a daemon listens unless its config says otherwise. */
const DEFAULT_ADDRESS = "127.0.0.1:8080";

/** Adds the flags that {@link withSession} reads. */
export function addConnectionFlags(command: Command): Command {
  return command
    .addOption(
      new Option("--addr <addr>", "HOST:PORT or unix:///path of the daemon")
        .env("WSDAEMON_ADDR").argParser(checkAddress)
        .default(undefined, `the unix socket of the node's config, else ${DEFAULT_ADDRESS}`),
    )
    .addOption(
      new Option("--timeout <duration>", 'give up after this, such as "30s"; never unless given')
        .argParser(durationParser("30s", 1)),
    )
    .option("--json", "print JSON for machines, errors too")
    .option("--quiet", "show no progress")
    .option("--tls", "connect with TLS, trusting the system's authorities")
    .option("--tls-ca <file>", "connect with TLS, trusting this PEM authority")
    .option("--tls-cert <file>", "PEM certificate to show to the daemon")
    .option("--tls-key <file>", "PEM key of that certificate")
    .option("--tls-server-name <name>", "name to expect in the daemon's certificate");
}

/**
 * Connects as the flags of `command` and its parents say, and closes the connection after `use`.
 * @throws {Failure} what a call answers, with its code; where no connection is made, also what to do
 */
export async function withSession<T>(
  command: Command,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const flags: ConnectionFlags = command.optsWithGlobals();
  const tls = tlsOf(flags, command);
  // Loaded here, so that the daemon's own process never holds a gRPC client.
  const { WorkspaceClient, ClientError, UnreachableError } = await import("../../client/mod.ts");
  const warning = clientWarning(Deno.version.deno);
  if (warning) printError(`warning: ${warning}`);
  await using stack = new AsyncDisposableStack();
  const { api = DEFAULT_ADDRESS, operations = DEFAULT_ADDRESS } = flags.addr === undefined
    ? nodeAddresses({ env: Deno.env.toObject() })
    : { api: flags.addr, operations: flags.addr };
  const traceparent = Deno.env.get("TRACEPARENT");
  // Each connects with its first call.
  const connect = (address: string) =>
    stack.use(new WorkspaceClient({ address, ...(tls ? { tls } : {}) }));
  const client = connect(api);
  const interrupted = interruption(stack);
  const session: Session = {
    client,
    operations: operations === api ? client.operations : connect(operations).operations,
    operationsAddress: operations,
    json: flags.json ?? false,
    quiet: flags.quiet ?? false,
    interrupted,
    ...(flags.timeout === undefined ? {} : { until: Date.now() + flags.timeout }),
    call: {
      onWarning: (message) => printError(`warning: ${message}`),
      signal: interrupted,
      ...(flags.timeout === undefined ? {} : { deadline: flags.timeout }),
      ...(traceparent === undefined ? {} : { traceparent }),
    },
  };
  try {
    return await use(session);
  } catch (error) {
    if (interrupted.aborted) {
      throw interruptedFailure(interrupted, `Interrupted${await goesOn(session)}`);
    }
    if (error instanceof UnreachableError) {
      const explained = await explainUnreachable(error.message, error.address, tls);
      throw new Failure(explained, { cause: error, code: error.code });
    }
    if (!(error instanceof ClientError)) throw error;
    const { code, reason } = error;
    const hint = code === "DEADLINE_EXCEEDED" ? await goesOn(session) : serverHint(error);
    throw new Failure(error.message, {
      cause: error,
      code,
      reason,
      hint,
      exitCode: EXIT_CODES[code],
    });
  }
}

/** The exit codes of calls that did not fail, but were given up. */
const EXIT_CODES: Readonly<Record<string, number>> = {
  DEADLINE_EXCEEDED: EXIT.timeout,
  ABORTED: EXIT.cancelled,
};

/** Lets a command take the workspace's id as its argument or by `--id`. */
export function addIdArgument(command: Command): Command {
  return command.argument("[id]", "the workspace").option("--id <id>", "the same, as a flag");
}

/** Returns the workspace id; ends with a usage error where there is none, or two. */
export function idOf(argument: string | undefined, command: Command): string {
  const flag: string | undefined = command.opts().id;
  if ((argument === undefined) === (flag === undefined)) {
    command.error(`error: expected one workspace id: wsdaemon client ${command.name()} ID`);
  }
  return argument ?? flag!;
}

/** Reads the certificates that the flags name; returns undefined for a connection in the clear. */
function tlsOf(flags: ConnectionFlags, command: Command): ClientTls | undefined {
  const { tls, tlsCa, tlsCert, tlsKey, tlsServerName } = flags;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    command.error("error: --tls-cert and --tls-key belong together");
  }
  if (!tls && !tlsCa && !tlsCert && !tlsServerName) return undefined;
  const own = tlsCert === undefined ? {} : ownCertificate(tlsCert, tlsKey!);
  return {
    ...(tlsCa ? { ca: readPem(tlsCa, "--tls-ca") } : {}),
    ...own,
    ...(tlsServerName ? { serverName: tlsServerName } : {}),
  };
}

/**
 * Reads the client's own certificate and key. Where they do not belong together, a handshake fails in
 * words that say nothing of it, so they are checked first.
 * @throws {Failure} naming the flag whose file cannot be used
 */
function ownCertificate(
  certPath: string,
  keyPath: string,
): Required<Pick<ClientTls, "cert" | "key">> {
  const cert = readPem(certPath, "--tls-cert");
  const key = readPem(keyPath, "--tls-key");
  try {
    checkTlsMaterial(
      { cert, key, files: { cert: resolve(certPath), key: resolve(keyPath) } },
      Date.now(),
    );
  } catch (error) {
    const words = messageOf(error).replaceAll(/\btls\.(cert|key)\b/g, "--tls-$1");
    throw new Failure(`Cannot use the client's certificate: ${words}`, { cause: error });
  }
  return { cert, key };
}

/** Reads a PEM file. @throws {Failure} if it cannot be read or is not PEM */
function readPem(named: string, flag: string): Uint8Array {
  const path = resolve(named);
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(path);
  } catch (error) {
    throw new Failure(`Cannot read ${path} (${flag}): ${explainPath(error, path)}`, {
      cause: error,
    });
  }
  if (new TextDecoder().decode(bytes).includes("-----BEGIN ")) return bytes;
  const why = bytes.length === 0 ? "it is empty" : "it is not PEM";
  throw new Failure(
    `Cannot use ${path} (${flag}): ${why}; name a file that begins with -----BEGIN`,
  );
}

function checkAddress(text: string): string {
  try {
    parseAddress(text);
    return text;
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}
