/** Checks of the object store by using it as a daemon would. */

import type { Config } from "../../config/mod.ts";
import { digestOf } from "../../digest.ts";
import { DaemonError, explainPath, messageOf } from "../../errors.ts";
import {
  holdsStore,
  keepsContent,
  type ObjectStore,
  openStore,
  type StorageOptions,
  storeFolder,
} from "../../store/mod.ts";
import { Metrics } from "../../telemetry/mod.ts";
import { type Check, failed, passed, warned } from "./check.ts";
import { isFolder } from "./root_checks.ts";

const NAME = "store";
/** Milliseconds by which the store's clock and this node's may differ. S3 refuses 15 minutes. */
const MAX_CLOCK_DIFFERENCE_MS = 60_000;

/** Checks one after the other; what depends on one that failed is left out. */
export async function storeChecks(
  { storage }: Config,
  options: { signal?: AbortSignal } = {},
): Promise<Check[]> {
  if (!keepsContent(storage)) {
    return [warned(NAME, "there is none: nothing outlives a disposal", "configure storage")];
  }
  const folder = storeFolder(storage);
  if (folder && !isFolder(folder.path)) {
    return [passed(NAME, `${folder.path} is not there yet; the daemon makes it`)];
  }
  const unused = folder && await unusedFolder(folder.path);
  if (unused) return [unused];
  const spoolDir = await Deno.makeTempDir({ prefix: "wsdaemon-doctor-" });
  let store: ObjectStore | undefined;
  try {
    store = await openStore(storage, { spoolDir, metrics: new Metrics() });
    return [passed(NAME, whereabouts(storage)), ...await checkStore(store, options)];
  } catch (error) {
    return [failed(NAME, messageOf(error))];
  } finally {
    await store?.close();
    await Deno.remove(spoolDir, { recursive: true });
  }
}

/** Returns what is to be said of a folder in which no store is: opening it would plant one there. */
async function unusedFolder(path: string): Promise<Check | undefined> {
  try {
    if (await holdsStore(path)) return undefined;
  } catch (error) {
    return failed(NAME, `Cannot look into the store in ${path}: ${explainPath(error, path)}`);
  }
  return warned(
    NAME,
    `${path} holds no store yet; the daemon makes one there`,
    "check storage.path, and that it is mounted",
  );
}

function whereabouts(storage: StorageOptions): string {
  if (storage.kind !== "s3") return storeFolder(storage)?.path ?? storage.kind;
  return `bucket ${storage.bucket} at ${storage.endpoint}, region ${storage.region}`;
}

async function checkStore(
  store: ObjectStore,
  options: { signal?: AbortSignal },
): Promise<Check[]> {
  try {
    await store.probe(options);
  } catch (error) {
    return [failed(`${NAME} reach`, messageOf(error))];
  }
  return [
    passed(`${NAME} reach`, `the ${store.kind} store answers`),
    await right("clock", () => checkClock(store, options)),
    await right("rights", () => writeReadDelete(store, options)),
    await right("listing", () => list(store, options)),
  ];
}

async function right(what: string, check: () => Promise<Check | string>): Promise<Check> {
  const name = `${NAME} ${what}`;
  try {
    const found = await check();
    return typeof found === "string" ? passed(name, found) : found;
  } catch (error) {
    return failed(name, messageOf(error));
  }
}

async function checkClock(
  store: ObjectStore,
  options: { signal?: AbortSignal },
): Promise<Check | string> {
  const difference = await store.now(options) - Date.now();
  if (Math.abs(difference) <= MAX_CLOCK_DIFFERENCE_MS) return "the store's clock agrees";
  const seconds = Math.round(difference / 1000);
  return warned(
    `${NAME} clock`,
    `the store's clock is ${Math.abs(seconds)} s ${
      seconds > 0 ? "ahead of" : "behind"
    } this node's`,
    "set this node's clock (timedatectl), or the store's",
  );
}

/** Tries a blob of random bytes, which is nobody else's; one that stays after a kill is collected. */
async function writeReadDelete(
  store: ObjectStore,
  options: { signal?: AbortSignal },
): Promise<string> {
  const bytes = crypto.getRandomValues(new Uint8Array(64));
  const digest = digestOf(bytes);
  await store.putBlobBytes(digest, bytes, options);
  await store.getBlobBytes(digest, bytes.length, options);
  if (!await store.deleteBlob(digest, options)) {
    throw new DaemonError("UNAVAILABLE", `The blob ${digest}, just stored, is not there to delete`);
  }
  return "objects can be written, read and deleted";
}

async function list(store: ObjectStore, options: { signal?: AbortSignal }): Promise<string> {
  for await (const _ of store.list("refs/", options)) break;
  const { count } = await store.sweepLeftovers(0, { ...options, dryRun: true });
  return count === 0 ? "objects and unfinished uploads can be listed" : `${count} leftovers`;
}
