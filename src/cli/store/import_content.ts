/** Starts content Workers for one command, on areas of their own. */

import { join } from "@std/path";
import type { Config } from "../../config/mod.ts";
import { type Areas, connectContent, type Content, type IdRenumbering } from "../../content/mod.ts";
import { confinementSupport } from "../../linux/mod.ts";
import { fileSystemsOf, readFileSystems } from "../../mounts.ts";
import { libcPath, startContentWorkers } from "../../process/mod.ts";

/** Options of {@link startContent}. */
export interface StartContentOptions {
  config: Config;
  /** The spool's folder, absolute. */
  spool: string;
  /** A folder with files to read, absolute: the area `blobs`. */
  blobs?: string;
  /** A folder with trees to read, absolute: the area `workspaces`; an empty one unless given. */
  trees?: string;
  /** Other numbers for owners. */
  renumber: readonly IdRenumbering[];
  /** Called where a Worker dies. */
  died(error: Error): void;
}

/**
 * Starts content Workers, confined as a daemon's are, on a folder of its own below TMPDIR: what is
 * unpacked there takes as much space. In what the command reads they change nothing.
 * @param stack ends them, and removes the folder
 */
export async function startContent(
  { config, spool, blobs, trees, renumber, died }: StartContentOptions,
  stack: AsyncDisposableStack,
): Promise<Content> {
  const root = await Deno.realPath(await Deno.makeTempDir({ prefix: "wsdaemon-import-" }));
  stack.defer(() => Deno.remove(root, { recursive: true }));
  const areas: Areas = {
    workspaces: trees ?? join(root, "workspaces"),
    staging: join(root, "staging"),
    trash: join(root, "trash"),
    spool,
    scratch: join(root, "git"),
    baselines: join(root, "baselines"),
    bases: join(root, "bases"),
    cache: join(root, "cache"),
    ...(blobs === undefined ? {} : { blobs }),
  };
  for (const path of Object.values(areas)) {
    if (path.startsWith(`${root}/`)) await Deno.mkdir(path, { mode: 0o700 });
  }
  const workers = stack.use(startContentWorkers({
    areas,
    libc: libcPath(),
    confinement: config.confinement === "off" ? undefined : confinementSupport(),
    fileSystems: fileSystemsOf(Object.values(areas), readFileSystems()),
    renumber,
    readOnly: trees === undefined ? [] : ["workspaces"],
  }, died));
  const content = connectContent(workers.ports);
  stack.defer(() => content.close());
  await workers.serving;
  return content;
}
