import { join } from "@std/path";
import { z } from "zod";
import { pathField, section } from "../../schema_fields.ts";
import { legacyField } from "../legacy_pattern.ts";
import { noPermissions, type StoreKind } from "../store_kind.ts";
import { FileStore } from "./file_store.ts";

const schema = section({
  kind: z.literal("fs").describe("The embedded store: a folder on this node"),
  path: pathField.exactOptional().describe("Folder of the store; <root>/store unless given"),
  legacy: legacyField,
});

/** The config of the embedded store. */
export interface FileStorage {
  kind: "fs";
  /** The store's folder, absolute. */
  path: string;
  /** Patterns of archives of an older layout. */
  legacy?: string[];
}

/** The embedded store. */
export const fileKind = {
  schema,
  secretKeys: [],
  fileKeys: [],
  folderKey: "path",
  keepsContent: true,
  resolve: ({ path, ...rest }, root) => ({ ...rest, path: path ?? join(root, "store") }),
  problems: () => [],
  permissions: noPermissions,
  open: ({ path }, { spoolDir, clock }) => FileStore.open({ folder: path, spoolDir, clock }),
} as const satisfies StoreKind<z.output<typeof schema>, FileStorage>;
