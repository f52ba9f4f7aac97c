/** Finds out what `store import` is given. */

import { basename, dirname, join, resolve } from "@std/path";
import { hexOf } from "../../digest.ts";
import { DaemonError } from "../../errors.ts";
import { type ImportSource, isOciLayout, readOciLayout } from "../../migrate/mod.ts";
import { parseSnapshotName } from "../../snapshot/mod.ts";
import { storeFolder } from "../../store/mod.ts";
import { localFailure } from "../failure.ts";
import type { StoreSession } from "./session.ts";

/** A source, and the folders that content Workers read it in. */
export interface FoundSource {
  source: ImportSource;
  /** What it is, in words. */
  what: string;
  /** The folder of its files, absolute; the embedded store's unless given. */
  blobs?: string;
  /** The folder that a folder is in, absolute. */
  trees?: string;
}

/** The beginnings of files that are no archives of ours, with what to do. */
const FOREIGN: readonly (readonly [start: string, what: string, remedy: string])[] = [
  ["425a68", "compressed by bzip2", "bunzip2"],
  ["fd377a585a00", "compressed by xz", "unxz"],
  ["04224d18", "compressed by lz4", "unlz4"],
  ["504b0304", "a zip archive", "unzip, and import the folder"],
];

/**
 * Finds a source: a file, a folder, an image of an OCI layout (`DIR` or `DIR:TAG`), or a plain archive of the
 * store, `<object>@<bucket>`. A path that is there counts first.
 * @param stack releases what the store hands out
 * @throws {DaemonError} NOT_FOUND where there is no such thing, FAILED_PRECONDITION for a file of another kind,
 * and for a folder that the import itself writes to
 */
export async function findSource(
  text: string,
  session: StoreSession,
  stack: AsyncDisposableStack,
): Promise<FoundSource> {
  const { store, signal } = session;
  const path = await realPath(resolve(text));
  if (path !== undefined) {
    const { isFile, isDirectory } = await Deno.lstat(path);
    if (isFile) return await archiveAt(path);
    if (isDirectory) {
      return await isOciLayout(path) ? await layout(path) : await folderAt(path, session);
    }
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot import ${path}: it is neither a file nor a folder`,
    );
  }
  const [, folder, tag] = /^(.+):([\w.+-]+)$/.exec(text) ?? [];
  const layoutPath = folder === undefined ? undefined : await realPath(resolve(folder));
  if (layoutPath !== undefined && await isOciLayout(layoutPath)) {
    return await layout(layoutPath, tag);
  }
  if (!text.includes("@")) {
    throw new DaemonError(
      "NOT_FOUND",
      `There is no ${
        resolve(text)
      }: give a tar archive, a folder, an OCI layout or <object>@<bucket>`,
    );
  }
  const name = parseSnapshotName(text, "The source");
  if (name.kind !== "archive") {
    throw new DaemonError(
      "INVALID_ARGUMENT",
      `${text} is an image of this store already; another identity can be started from it`,
    );
  }
  const options = { signal, isConfigured: true };
  const file = await store.acquireArchive(name.object, name.bucket, options);
  stack.defer(() => file.release());
  return { source: { kind: "archive", file }, what: `the archive ${text}` };
}

/** Returns where a path leads; `undefined` where nothing is there. */
async function realPath(path: string): Promise<string | undefined> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw localFailure(error, `Cannot look at ${path}`, path);
  }
}

async function archiveAt(path: string): Promise<FoundSource> {
  const start = new Uint8Array(6);
  try {
    using file = await Deno.open(path);
    await file.read(start);
  } catch (error) {
    throw localFailure(error, `Cannot read ${path}`, path);
  }
  const hex = start.toHex();
  const foreign = FOREIGN.find(([begin]) => hex.startsWith(begin));
  if (foreign) {
    const [, what, remedy] = foreign;
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot import ${path}: it is ${what}, and must be a tar archive, plain or compressed by gzip or ` +
        `zstd (${remedy} first)`,
    );
  }
  const source = { kind: "archive", file: { area: "blobs", path: basename(path) } } as const;
  return { source, what: `the archive ${path}`, blobs: dirname(path) };
}

/** Returns a folder, in which nothing may be that the import writes: it would be imported, too. */
async function folderAt(path: string, { config, spoolDir }: StoreSession): Promise<FoundSource> {
  if (path === "/") {
    throw new DaemonError("FAILED_PRECONDITION", "Cannot import /: give a folder in it");
  }
  const written = [
    { what: "the temporary files of this command", remedy: "set TMPDIR", folder: spoolDir },
    {
      what: "the store that it is imported into",
      remedy: "give folders beside it",
      folder: storeFolder(config.storage)?.path,
    },
  ];
  for (const { what, remedy, folder } of written) {
    const at = folder && await Deno.realPath(folder);
    if (!at || at !== path && !at.startsWith(`${path}/`)) continue;
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot import ${path}: ${what} would be imported with it, in ${at} (${remedy})`,
    );
  }
  const tree = { area: "workspaces", name: basename(path) } as const;
  return { source: { kind: "folder", tree }, what: `the folder ${path}`, trees: dirname(path) };
}

async function layout(path: string, tag?: string): Promise<FoundSource> {
  const layers = await readOciLayout(path, tag);
  const source: ImportSource = {
    kind: "layers",
    layers,
    fetch: ({ digest }) =>
      Promise.resolve({
        area: "blobs",
        path: join("blobs/sha256", hexOf(digest)),
        release: () => Promise.resolve(),
      }),
  };
  return { source, what: `the OCI layout ${path}${tag ? `:${tag}` : ""}`, blobs: path };
}
