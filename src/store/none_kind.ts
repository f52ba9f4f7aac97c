import { z } from "zod";
import { section } from "../schema_fields.ts";
import { noStore } from "./no_store.ts";
import { noPermissions, type StoreKind } from "./store_kind.ts";

const schema = section({
  kind: z.literal("none").describe("No store: snapshots and backups are refused"),
});

/** The config of no store. */
export type NoStorage = z.output<typeof schema>;

/** The kind without a store: nothing is kept of a workspace that is disposed of. */
export const noneKind = {
  schema,
  secretKeys: [],
  fileKeys: [],
  keepsContent: false,
  resolve: (written) => written,
  problems: () => [],
  permissions: noPermissions,
  open: () => Promise.resolve(noStore),
} as const satisfies StoreKind<NoStorage, NoStorage>;
