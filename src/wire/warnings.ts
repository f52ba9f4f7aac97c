/**
 * Warnings in a call's trailing metadata: what its caller should know of though it succeeded. The
 * messages of the contract have no field for them, and whoever does not know the key ignores it.
 */

import { Buffer } from "node:buffer";
import type { Metadata } from "@grpc/grpc-js";

/** The metadata key of warnings: one value each, UTF-8 text. */
export const WARNING_KEY = "wsdaemon-warning-bin";

/** Clients refuse answers whose metadata is larger than 8 KiB by default, in Base64. */
const MAX_BYTES = 512;
const MAX_WARNINGS = 8;

/** Adds a warning, cut to 512 bytes; after the eighth, none. */
export function addWarning(metadata: Metadata, message: string): void {
  if (metadata.get(WARNING_KEY).length >= MAX_WARNINGS) return;
  const bytes = Buffer.from(message.toWellFormed(), "utf8");
  const cut = new TextDecoder().decode(bytes.subarray(0, MAX_BYTES), { stream: true });
  metadata.add(WARNING_KEY, Buffer.from(cut, "utf8"));
}

/** Returns the warnings in a call's trailing metadata. */
export function warningsIn(metadata: Metadata): string[] {
  return metadata.get(WARNING_KEY).map((value) =>
    typeof value === "string" ? value : value.toString("utf8")
  );
}
