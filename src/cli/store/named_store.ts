/** Finds the stores that a command is given besides the configured one. */

import { join, resolve } from "@std/path";
import { type ConfigSource, loadConfig } from "../../config/mod.ts";
import { DaemonError } from "../../errors.ts";
import { holdsStore, type StorageOptions, storeFolder } from "../../store/mod.ts";
import { localFailure } from "../failure.ts";
import { requireStorage } from "./session.ts";

const NO_FLAGS: ConfigSource = { values: {}, locate: () => "flags" };

/** Options of {@link namedStore}. */
export interface NamedStoreOptions {
  /** The flag that names it, for messages. */
  flag: string;
  /** Whether an empty folder will do, which becomes a store then. */
  mayBeEmpty?: boolean;
}

/**
 * Returns the store that a text names: the config file that says where it is, the folder of an embedded store,
 * or a root with one. A config counts as it is written, whatever the environment says.
 * @throws {DaemonError} NOT_FOUND or FAILED_PRECONDITION where it names none; {ConfigError}
 */
export async function namedStore(
  text: string,
  { flag, mayBeEmpty = false }: NamedStoreOptions,
): Promise<StorageOptions> {
  const path = resolve(text);
  const info = await statOf(path, flag);
  if (!info.isDirectory) {
    const host = { cwd: Deno.cwd(), uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 };
    const { config } = loadConfig({ ...host, file: path, env: {}, flags: NO_FLAGS });
    return requireStorage(config);
  }
  for (const folder of [path, join(path, "store")]) {
    if (await holdsStore(folder)) return { kind: "fs", path: await Deno.realPath(folder) };
  }
  const isEmpty = Deno.readDirSync(path)[Symbol.iterator]().next().done === true;
  if (mayBeEmpty && isEmpty) return { kind: "fs", path: await Deno.realPath(path) };
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `There is no store in ${path}, which ${flag} names: give the folder of a store, a root with one, ` +
      `or a config file${mayBeEmpty ? ", or an empty folder to make one in" : ""}`,
  );
}

async function statOf(path: string, flag: string): Promise<Deno.FileInfo> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw localFailure(error, `Cannot look at ${path}, which ${flag} names`, path);
    }
    throw new DaemonError(
      "NOT_FOUND",
      `There is no ${path}, which ${flag} names: give the folder of a store, a root with one, or a ` +
        "config file that says where the store is",
    );
  }
}

/** Returns whether two configs mean one and the same store. */
export function isSameStore(one: StorageOptions, other: StorageOptions): boolean {
  return placeOf(one) === placeOf(other);
}

function placeOf(storage: StorageOptions): string {
  const folder = storeFolder(storage);
  if (folder) return `folder ${Deno.realPathSync(folder.path)}`;
  if (storage.kind !== "s3") return storage.kind;
  const { endpoint, bucket, prefix = "" } = storage;
  return `${new URL(endpoint).href} ${bucket} ${prefix}`;
}
