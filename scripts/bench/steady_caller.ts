/**
 * A process that calls a daemon at a fixed rate, whether or not earlier calls are answered, until its
 * standard input ends; then it prints what it saw as {@link SteadyCalls} in JSON. It is a process of its
 * own, so that nothing else that the benchmark does delays it.
 *
 *     deno run -A scripts/bench/steady_caller.ts ADDRESS WORKSPACE CALLS_PER_SECOND
 */

import type { Buffer } from "node:buffer";
import process from "node:process";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { Client, credentials } from "@grpc/grpc-js";
import { service as health } from "grpc-health-check";
import { percentile } from "./measure.ts";

/** The calls that take turns. */
export const STEADY_METHODS = ["IsWorkspaceExists", "WaitForInit", "health"] as const;

/** What took how long, in milliseconds from when a call was made to its answer. */
export interface SteadyCalls {
  methods: Record<typeof STEADY_METHODS[number], { calls: number; p50: number; p99: number }>;
  /** The same of all calls. */
  all: { calls: number; p50: number; p99: number };
  failed: number;
  /** By how many milliseconds 99 of 100 calls were made too late at most: this process had no core. */
  late: number;
  /** The share of a core that this process took itself. */
  cores: number;
}

const WARM_UP_MS = 2000;

async function callSteadily(address: string, id: string, rate: number): Promise<SteadyCalls> {
  using client = new WorkspaceClient({ address });
  const checker = new Client(address, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = health["Check"]!;
  const checkHealth = () =>
    new Promise<void>((resolve, reject) =>
      checker.makeUnaryRequest(
        path,
        requestSerialize as (request: unknown) => Buffer,
        responseDeserialize,
        { service: "" },
        (error) => error ? reject(error) : resolve(),
      )
    );
  const make: Record<typeof STEADY_METHODS[number], () => Promise<unknown>> = {
    IsWorkspaceExists: () => client.isWorkspaceExists(id),
    WaitForInit: () => client.waitForInit(id),
    health: checkHealth,
  };
  const took = STEADY_METHODS.map((): number[] => []);
  const late: number[] = [];
  const begun = performance.now();
  let failed = 0;
  let running = true;
  let before = process.cpuUsage();
  let measuredFrom = begun;
  const ended = new Response(Deno.stdin.readable).arrayBuffer().then(() => running = false);
  const calls = new Set<Promise<void>>();
  for (let n = 0, due = begun; running; n++, due += 1000 / rate) {
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const start = performance.now();
    const counts = start - begun > WARM_UP_MS;
    if (counts && late.length === 0) {
      before = process.cpuUsage();
      measuredFrom = start;
    }
    if (counts) late.push(start - due);
    const kind = n % STEADY_METHODS.length;
    const call: Promise<void> = make[STEADY_METHODS[kind]!]()
      .then(() => void (counts && took[kind]!.push(performance.now() - start)), () => failed++)
      .then(() => void calls.delete(call));
    calls.add(call);
  }
  const { user, system } = process.cpuUsage(before);
  const cores = (user + system) / 1000 / (performance.now() - measuredFrom);
  await Promise.all([...calls, ended]);
  checker.close();
  const summary = (times: readonly number[]) => ({
    calls: times.length,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
  });
  return {
    methods: Object.fromEntries(
      STEADY_METHODS.map((name, kind) => [name, summary(took[kind]!)]),
    ) as SteadyCalls["methods"],
    all: summary(took.flat()),
    failed,
    late: percentile(late, 0.99),
    cores,
  };
}

if (import.meta.main) {
  const [address, id, rate] = Deno.args;
  const result = await callSteadily(address!, id!, Number(rate));
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(result)));
  Deno.exit(0);
}
