/** Starts content Workers, which the daemon or a command of the command line connects to. */

import type { ContentWorkerStart, FromContentWorker } from "../content/mod.ts";
import { StartError } from "../errors.ts";
import { workerModule } from "../program_files.ts";
import { spawnWorker } from "./spawn_worker.ts";
import { contentPermissions } from "./worker_permissions.ts";

/** Options of {@link startContentWorkers}; what is not described here is in {@link ContentWorkerStart}. */
export interface ContentWorkersOptions extends Omit<ContentWorkerStart, "kind" | "port"> {
  /** What they run; the daemon's own unless given. */
  module?: URL;
}

/** Content Workers at work; disposing of them ends them at once. */
export interface ContentWorkers extends Disposable {
  /** The other ends of their ports, for `connectContent`. */
  readonly ports: MessagePort[];
  /**
   * Resolves once every Worker serves, to why one could not take its priority, if one could not. May never do
   * so.
   */
  readonly serving: Promise<string | undefined>;
}

/**
 * Starts content Workers: one for each core, and one that answers quickly while those pack.
 * @param died called where one dies or cannot start
 */
export function startContentWorkers(
  { module = workerModule("content"), ...start }: ContentWorkersOptions,
  died: (error: Error) => void,
): ContentWorkers {
  const workers: Worker[] = [];
  const started = Array.from({ length: navigator.hardwareConcurrency + 1 }, (_, index) => {
    const { port1: port, port2 } = new MessageChannel();
    const serves = Promise.withResolvers<string | undefined>();
    const permissions = contentPermissions(start.libc);
    const worker = spawnWorker(module, `content-${index + 1}`, permissions, died);
    workers.push(worker);
    worker.onmessage = ({ data }: MessageEvent<FromContentWorker>) => {
      if (data.kind === "serving") serves.resolve(data.priorityRefused);
      else died(new StartError(data.message));
    };
    // The first answers quickly; see `content/dispatcher.ts`.
    const own = index === 0 ? { priority: "normal" as const } : {};
    const message: ContentWorkerStart = { ...start, ...own, kind: "start", port };
    worker.postMessage(message, [port]);
    return { port: port2, serves: serves.promise };
  });
  return {
    ports: started.map(({ port }) => port),
    serving: Promise.all(started.map(({ serves }) => serves))
      .then((refusals) => refusals.find((refusal) => refusal !== undefined)),
    [Symbol.dispose]() {
      for (const worker of workers) worker.terminate();
    },
  };
}
