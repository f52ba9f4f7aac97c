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

/** An open store for one command, with the options that its flags give. */
export interface StoreSession extends BlobSource {
  config: Config;
  /** Whether to print JSON. */
  json: boolean;
  /** Aborts on SIGINT and SIGTERM. */
  signal: AbortSignal;
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
  const config = loadFromFlags(command.parent!);
  if (!command.optsWithGlobals().json) sayWhich(command.parent!, config);
  configureLogging({ ...config.log, level: "warning" }, printErrorText);
  let signal: AbortSignal | undefined;
  try {
    await using stack = new AsyncDisposableStack();
    signal = interruption(stack);
    const source = await openSource(requireStorage(config), stack);
    return await use({ ...source, config, signal, json: command.optsWithGlobals().json ?? false });
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

/** Opens the store, and the folders that its blobs are read from or downloaded to. */
async function openSource(
  storage: StorageOptions,
  stack: AsyncDisposableStack,
): Promise<BlobSource> {
  openLibc(libcPath());
  const spoolDir = await makeSpool();
  stack.defer(() => Deno.remove(spoolDir, { recursive: true }));
  const spool = stack.use(Directory.open(spoolDir, "spool"));
  const folder = storeFolder(storage);
  if (folder) await requireFolder(folder.path);
  const store = await openStore(storage, { spoolDir, metrics: new Metrics() });
  stack.defer(() => store.close());
  if (!folder) return { store, spool };
  const blobs = stack.use(Directory.open(await Deno.realPath(folder.path), "store"));
  return { store, spool, blobs };
}

function requireStorage({ storage }: Config): StorageOptions {
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
