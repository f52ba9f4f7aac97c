/** The troubles that a trial brings about, by name. */

import { expiringCertificates } from "./scenarios/certificate.ts";
import { fullDisks } from "./scenarios/disk.ts";
import { promisedSnapshot } from "./scenarios/promised_snapshot.ts";
import { slowRestore } from "./scenarios/slow_restore.ts";
import { failingStores } from "./scenarios/store.ts";
import { stuckClone } from "./scenarios/stuck_clone.ts";
import type { Row } from "./places.ts";

/** What a scenario is given. */
export interface ScenarioContext {
  /** A folder of its own, which need not exist yet. */
  folder: string;
  /** The binary on trial; absent where wsdaemon runs from source. */
  binary?: string;
}

/** Brings one kind of trouble about, and yields what was seen of it. */
export type Scenario = (context: ScenarioContext) => AsyncGenerator<Row>;

/** All of them, in the order of the table. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  store: failingStores,
  disk: fullDisks,
  restore: slowRestore,
  clone: stuckClone,
  certificate: expiringCertificates,
  snapshot: promisedSnapshot,
};
