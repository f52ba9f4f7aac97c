/** What the store's commands share: their flags, the open store, and how they are interrupted. */

import type { Command } from "commander";
import type { Config } from "../../config/mod.ts";
import { DaemonError } from "../../errors.ts";
import { Directory, openLibc } from "../../linux/mod.ts";
import { libcPath } from "../../process/mod.ts";
import { configureLogging } from "../../log/mod.ts";
import type { BlobSource } from "../../inspect/mod.ts";
import {
  holdsStore,
  keepsContent,
  openStore,
  type StorageOptions,
  storeFolder,
} from "../../store/mod.ts";
import { Metrics } from "../../telemetry/mod.ts";
import { NODE_CONFIG } from "../config_file.ts";
import { addConfigFlags, configFileOf, loadFromFlags } from "../config_flags.ts";
import { localFailure } from "../failure.ts";
import { interruptedFailure, interruption } from "../interruption.ts";
import { printError, printErrorText } from "../io.ts";
import { contentError } from "../../content/mod.ts";

/** What a command works with. */
export interface CommandSession {
  config: Config;
  /** Whether to print JSON. */
  json: boolean;
  /** Aborts on SIGINT and SIGTERM. */
  signal: AbortSignal;
  /** What the command opened; disposed of when it ends. */
  stack: AsyncDisposableStack;
}

/** An open store for one command, with the options that its flags give. */
export interface StoreSession extends CommandSession, BlobSource {
  /** The spool's folder, absolute. */
  spoolDir: string;
}

/** Adds the flags that {@link withStore} reads, to the parent of all its commands. */
export function addStoreFlags(command: Command): Command {
  return addConfigFlags(command, ["root"]).option("--json", "print JSON for machines");
}

/**
 * Opens the configured store for as long as `use` takes: no daemon is needed, and one may run beside.
 * What is downloaded lands in a folder of its own under TMPDIR, which is gone afterwards.
 * @throws {DaemonError} what `use` throws, and FAILED_PRECONDITION or NOT_FOUND where there is no store
 */
export async function withStore<T>(
  command: Command,
  use: (session: StoreSession) => Promise<T>,
): Promise<T> {
  return await withSession(command, async (session) => {
    if (!session.json) sayWhich(command.parent!, session.config);
    const spool = await openSpool(session.stack);
    const source = await openSource(requireStorage(session.config), spool, session.stack);
    return await use({ ...source, ...session, spoolDir: spool.path });
  });
}

/**
 * Runs a command that opens no store, or other ones than the configured one.
 * @throws {DaemonError} what `use` throws
 */
export async function withSession<T>(
  command: Command,
  use: (session: CommandSession) => Promise<T>,
): Promise<T> {
  const config = loadFromFlags(command.parent!);
  configureLogging({ ...config.log, level: "warning" }, printErrorText);
  let signal: AbortSignal | undefined;
  try {
    await using stack = new AsyncDisposableStack();
    signal = interruption(stack);
    return await use({ config, signal, stack, json: command.optsWithGlobals().json ?? false });
  } catch (error) {
    if (signal?.aborted) throw interruptedFailure(signal);
    throw localFailure(contentError(error));
  }
}

/** Says on stderr which store is worked on, where nobody has named it. */
function sayWhich(command: Command, { root, storage }: Config): void {
  const { file, isFound } = configFileOf(command);
  const isNamed = command.opts().root !== undefined || Deno.env.has("WSDAEMON_ROOT");
  if (isNamed || (file !== undefined && !isFound)) return;
  const folder = storeFolder(storage)?.path;
  const where = folder === undefined
    ? `the store of kind ${storage.kind}`
    : `the store in ${folder}`;
  printError(
    file === undefined
      ? `using ${where}, as there is no config in ${NODE_CONFIG} and no --root (root ${root})`
      : `using ${where}, by ${file}`,
  );
}

/** A folder for what is downloaded. */
export interface Spool {
  /** Absolute. */
  path: string;
  directory: Directory;
}

/** Makes a spool in a folder of its own below TMPDIR, which goes with the stack. */
export async function openSpool(stack: AsyncDisposableStack): Promise<Spool> {
  openLibc(libcPath());
  const path = await makeSpool();
  stack.defer(() => Deno.remove(path, { recursive: true }));
  return { path, directory: stack.use(Directory.open(path, "spool")) };
}

/**
 * Opens a store, and the folders that its blobs are read from or downloaded to.
 * @throws {DaemonError} NOT_FOUND where it is a folder in which there is no store
 */
export async function openSource(
  storage: StorageOptions,
  spool: Spool,
  stack: AsyncDisposableStack,
): Promise<BlobSource> {
  const folder = storeFolder(storage);
  if (folder) await requireFolder(folder.path);
  const store = await openStore(storage, { spoolDir: spool.path, metrics: new Metrics() });
  stack.defer(() => store.close());
  if (!folder) return { store, spool: spool.directory };
  const blobs = stack.use(Directory.open(await Deno.realPath(folder.path), "store"));
  return { store, spool: spool.directory, blobs };
}

/**
 * Returns what the config says of the store.
 * @throws {DaemonError} FAILED_PRECONDITION where it says that there is none
 */
export function requireStorage({ storage }: Config): StorageOptions {
  if (keepsContent(storage)) return storage;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `The config says that there is no store: storage.kind is ${storage.kind}`,
  );
}

async function makeSpool(): Promise<string> {
  try {
    return await Deno.realPath(await Deno.makeTempDir({ prefix: "wsdaemon-store-" }));
  } catch (error) {
    const path = Deno.env.get("TMPDIR") ?? "/tmp";
    throw localFailure(error, `Cannot use ${path} for temporary files (TMPDIR)`, path);
  }
}

/** Refuses a folder without a store, since opening an embedded store creates it. */
async function requireFolder(path: string): Promise<void> {
  try {
    if (await holdsStore(path)) return;
  } catch (error) {
    throw localFailure(error, `Cannot look into the store in ${path}`, path);
  }
  throw new DaemonError(
    "NOT_FOUND",
    `There is no store in ${path}; say which with --root or --config`,
  );
}
