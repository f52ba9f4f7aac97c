/**
 * Lineages: which saved work a workspace's content goes on from.
 *
 * Every workspace that is initialised begins a lineage, and all images that are saved of it belong to
 * that. Where its content was restored from an image, that image is the lineage's base: the work in
 * it lives on. An image whose work lives on nowhere else must not be replaced by one of another
 * lineage (`retained_images.ts`).
 */

import { randomBytes } from "node:crypto";
import { type Digest, isDigest } from "../digest.ts";

/** The lineage that the content of one workspace is of. */
export interface Lineage {
  /** 32 hexadecimal digits, chosen at random when the workspace was initialised. */
  readonly id: string;
  /** The manifest of the image that the workspace was restored from, if any. */
  readonly base?: Digest;
}

/** The label of an image's config that says its lineage; its version, a colon and the lineage's id. */
const LINEAGE_LABEL = "dev.wsdaemon.lineage";
/** The label with the digest of the base's manifest. */
const BASE_LABEL = "dev.wsdaemon.lineage.base";
const VERSION = "1";
const ID = /^[0-9a-f]{32}$/;

/** Returns a new lineage. @param base the manifest of the image that its workspace was restored from */
export function newLineage(base?: Digest): Lineage {
  const id = randomBytes(16).toString("hex");
  return base === undefined ? { id } : { id, base };
}

/** Returns the labels of a config that say a lineage. */
export function lineageLabels({ id, base }: Lineage): Record<string, string> {
  const lineage = { [LINEAGE_LABEL]: `${VERSION}:${id}` };
  return base === undefined ? lineage : { ...lineage, [BASE_LABEL]: base };
}

/**
 * Returns the lineage that the labels of a config say; `undefined` where an earlier version or
 * another tool made the image, or a later version says it in another way.
 */
export function parseLineage(labels: Readonly<Record<string, string>>): Lineage | undefined {
  const [version, id] = labels[LINEAGE_LABEL]?.split(":", 2) ?? [];
  if (version !== VERSION || id === undefined || !ID.test(id)) return undefined;
  const base = labels[BASE_LABEL];
  return base !== undefined && isDigest(base) ? { id, base } : { id };
}
