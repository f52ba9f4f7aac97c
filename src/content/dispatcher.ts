/**
 * Sends requests to content Workers. Each Worker does one at a time; waiting requests are served in
 * the order they came. The first of several Workers serves quick requests only, so that listing a
 * directory never waits behind a backup.
 *
 * The files and bytes that a Worker counts belong to the operation that sent the request; see
 * `operations/mod.ts`.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { DaemonError, fromWire } from "../errors.ts";
import { currentOperation, type Progress } from "../operations/mod.ts";
import type { Uncaught } from "../uncaught.ts";
import type {
  EventOf,
  OperationName,
  ReplyMessage,
  RequestMessage,
  RequestOf,
  ResponseOf,
} from "./protocol.ts";
import { RequestMemory } from "./request_memory.ts";

/** Options of {@link Dispatcher.run}. */
export interface RunOptions<Event> {
  /** Cancels the operation: the promise rejects with ABORTED once the Worker has stopped. */
  signal?: AbortSignal | undefined;
  onEvent?: (event: Event) => void;
  /** Objects that are moved to the Worker rather than copied. */
  transfer?: Transferable[];
}

/** A request that is waiting or running. */
interface Job {
  operation: OperationName;
  request: unknown;
  signal: AbortSignal | undefined;
  transfer: Transferable[];
  /** Receives the counts of files and bytes. */
  progress: Progress | undefined;
  onEvent: (event: unknown) => void;
  resolve(response: unknown): void;
  reject(error: unknown): void;
  /** Removes the current listener of the signal. */
  unlisten(): void;
}

/** Sets what is called when the job's signal aborts, replacing what was set before. */
function onAbort(job: Job, action: (signal: AbortSignal) => void): void {
  job.unlisten();
  const { signal } = job;
  if (!signal) return;
  const listener = () => action(signal);
  signal.addEventListener("abort", listener, { once: true });
  job.unlisten = () => signal.removeEventListener("abort", listener);
}

const aborted = (signal: AbortSignal) =>
  new DaemonError("ABORTED", "the operation was cancelled", { cause: signal.reason });

/** Jobs in the order they came, and the idle Workers that serve them. */
class RequestQueue {
  readonly #waiting: Job[] = [];
  readonly #idle: WorkerClient[] = [];

  /** Gives a Worker that is free its next job, or notes it as idle. */
  addIdle(client: WorkerClient): void {
    const job = this.#waiting.shift();
    if (job) client.start(job, this);
    else this.#idle.push(client);
  }

  /** Starts a job on an idle Worker, or queues it. */
  submit(job: Job): void {
    const client = this.#idle.pop();
    if (client) return client.start(job, this);
    this.#waiting.push(job);
    onAbort(job, (signal) => {
      this.#waiting.splice(this.#waiting.indexOf(job), 1);
      job.reject(aborted(signal));
    });
  }

  failAll(error: DaemonError): void {
    this.#idle.length = 0;
    for (const job of this.#waiting.splice(0)) job.reject(error);
  }
}

/** Called with an error that nothing caught in a Worker. */
export type OnUncaught = (uncaught: Uncaught) => void;

function throwOn({ error }: Uncaught): never {
  throw error;
}

/** One Worker's port and its current job. */
class WorkerClient {
  #job: Job | undefined;
  #queue: RequestQueue | undefined;
  #observed: Disposable | undefined;
  #id = 0;

  constructor(
    private readonly port: MessagePort,
    private readonly onUncaught: OnUncaught,
  ) {
    port.onmessage = ({ data }: MessageEvent<ReplyMessage>) => this.#receive(data);
  }

  /** Sends a job to the Worker; afterwards the Worker returns to `queue`. */
  start(job: Job, queue: RequestQueue): void {
    this.#job = job;
    this.#queue = queue;
    const shared = new RequestMemory();
    const message: RequestMessage = {
      id: ++this.#id,
      operation: job.operation,
      request: job.request,
      memory: shared.memory,
    };
    if (job.signal) onAbort(job, () => shared.cancel());
    this.#observed = job.progress?.observe(() => shared.read());
    try {
      this.port.postMessage(message, job.transfer);
    } catch (error) {
      this.#finish((failed) => failed.reject(error));
    }
  }

  #receive(reply: ReplyMessage): void {
    if (reply.kind === "uncaught") {
      return this.onUncaught({ kind: reply.what, error: fromWire(reply.error) });
    }
    if (!this.#job || reply.id !== this.#id) return;
    switch (reply.kind) {
      case "event":
        return this.#job.onEvent(reply.event);
      case "done":
        return this.#finish((job) => job.resolve(reply.response));
      case "failed":
        return this.#finish((job) => job.reject(fromWire(reply.error)));
    }
  }

  #finish(settle: (job: Job) => void): void {
    const job = this.#job!;
    this.#job = undefined;
    job.unlisten();
    this.#observed?.[Symbol.dispose]();
    settle(job);
    this.#queue!.addIdle(this);
  }

  close(error: DaemonError): void {
    this.port.close();
    this.#job?.reject(error);
    this.#job = undefined;
  }
}

/** All content Workers, addressed as one. */
export class Dispatcher {
  readonly #clients: WorkerClient[];
  readonly #quick = new RequestQueue();
  readonly #long: RequestQueue;
  /** The number of Workers that do long work side by side. */
  readonly workers: number;
  #closed: DaemonError | undefined;
  /** Called with each request before it is sent. */
  onRequest: (operation: OperationName, request: unknown) => void = () => {};

  /**
   * @param ports one a Worker; the first of several serves quick requests only
   * @param onUncaught called with an error that nothing caught in a Worker; the Worker's request
   *   fails by itself. By default the error is thrown
   */
  constructor(ports: readonly MessagePort[], onUncaught: OnUncaught = throwOn) {
    if (ports.length === 0) throw new TypeError("Cannot have content without a Worker");
    this.#clients = ports.map((port) => new WorkerClient(port, onUncaught));
    this.#long = ports.length === 1 ? this.#quick : new RequestQueue();
    this.workers = Math.max(1, ports.length - 1);
    this.#clients.forEach((client, at) => (at === 0 ? this.#quick : this.#long).addIdle(client));
  }

  /** Runs work that takes milliseconds, always on the same Worker. */
  quick<N extends OperationName>(operation: N, request: RequestOf<N>): Promise<ResponseOf<N>> {
    return this.#submit(this.#quick, operation, request, {});
  }

  /** Runs work of any duration, on the first Worker that is free. */
  run<N extends OperationName>(
    operation: N,
    request: RequestOf<N>,
    options: RunOptions<EventOf<N>> = {},
  ): Promise<ResponseOf<N>> {
    return this.#submit(this.#long, operation, request, options);
  }

  #submit<N extends OperationName>(
    queue: RequestQueue,
    operation: N,
    request: RequestOf<N>,
    options: RunOptions<EventOf<N>>,
  ): Promise<ResponseOf<N>> {
    const { signal, onEvent, transfer = [] } = options;
    // A reply arrives in no asynchronous context; its handling belongs to that of the caller.
    const asAsker = AsyncLocalStorage.snapshot();
    this.onRequest(operation, request);
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closed);
      if (signal?.aborted) return reject(aborted(signal));
      queue.submit({
        operation,
        request,
        signal,
        transfer,
        progress: currentOperation()?.progress,
        onEvent: (event) => asAsker(() => onEvent?.(event as EventOf<N>)),
        resolve: (response) => resolve(response as ResponseOf<N>),
        reject,
        unlisten: () => {},
      });
    });
  }

  /** Closes the ports and rejects what is not done with UNAVAILABLE. */
  close(): void {
    this.#closed = new DaemonError("UNAVAILABLE", "the content Workers have been stopped", {
      reason: "SHUTTING_DOWN",
    });
    this.#quick.failAll(this.#closed);
    this.#long.failAll(this.#closed);
    for (const client of this.#clients) client.close(this.#closed);
  }
}
