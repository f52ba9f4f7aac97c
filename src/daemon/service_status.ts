/** Tells the service manager's users in a line what the daemon is doing. */

import type { OperationKind, OperationRegistry } from "../operations/mod.ts";
import type { HealthStatus } from "../telemetry/mod.ts";

/** Returns whether the node is ready, and how many operations of each kind run. */
export function serviceStatus(ready: HealthStatus, operations: OperationRegistry): string {
  const counts = new Map<OperationKind, number>();
  for (const { kind } of operations.running()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const running = [...counts].map(([kind, count]) => `${kind} ${count}`).join(", ");
  const health = ready.ok ? "Ready" : `Not ready: ${ready.message}`;
  return running === "" ? `${health}; idle` : `${health}; running ${running}`;
}
