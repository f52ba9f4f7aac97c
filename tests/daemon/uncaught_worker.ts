/** A Worker that throws what it is told to, and tells what its last handler makes of it. */

import { DaemonMetrics } from "../../src/daemon/daemon_metrics.ts";
import { reportUncaught } from "../../src/daemon/uncaught_reporter.ts";
import { messageOf } from "../../src/errors.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { withUncaughtHandler } from "../../src/uncaught.ts";
import { captureLogs } from "../fixtures/logs.ts";
import { FAULTS } from "./faults.ts";

const metrics = new Metrics();
reportUncaught(new DaemonMetrics(metrics, () => 0));
const logs = captureLogs();

/** Throws by a way, in an operation, and answers with how often and how that was seen. */
async function provoke(name: string) {
  const before = await count();
  const logged = logs.text.length;
  let failure: string | undefined;
  withUncaughtHandler(
    (error) => failure = messageOf(error),
    () => FAULTS[name]!.throws(new Error(name)),
  );
  let seen = before;
  while (seen === before) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    seen = await count();
  }
  const log = logs.text.slice(logged);
  return { count: seen - before, failure, log };
}

async function count(): Promise<number> {
  const values = (await metrics.text()).matchAll(
    /^wsdaemon_uncaught_exceptions_total\{.*\} (\d+)$/gm,
  );
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
}

const main = self as unknown as {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: MessageEvent<string>) => void): void;
};
main.addEventListener("message", async ({ data }) => main.postMessage(await provoke(data)));
