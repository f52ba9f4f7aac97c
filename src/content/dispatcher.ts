/**
 * Hands requests to content Workers: each does one at a time, waiting requests go first come, first
 * served. The first Worker of several takes quick requests only, so that a look into a tree never
 * waits behind a backup of another.
 */

import { DaemonError, fromWire } from "../errors.ts";
import type { Uncaught } from "../uncaught.ts";
import type {
  EventOf,
  OperationName,
  ReplyMessage,
  RequestMessage,
  RequestOf,
  ResponseOf,
} from "./protocol.ts";

export interface RunOptions<Event> {
  /** Cancels: the promise rejects with ABORTED, once the Worker has stopped. */
  signal?: AbortSignal | undefined;
  onEvent?: (event: Event) => void;
  /** Moved to the Worker rather than copied. */
  transfer?: Transferable[];
}

interface Job {
  operation: OperationName;
  request: unknown;
  signal: AbortSignal | undefined;
  transfer: Transferable[];
  onEvent: (event: unknown) => void;
  resolve(response: unknown): void;
  reject(error: unknown): void;
  /** Stops listening to the signal for what the job is doing now. */
  unlisten(): void;
}

/** Calls `action` when the job's signal aborts, in place of what was called before. */
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

/** Jobs in the order they came, for one or more Workers. */
class RequestQueue {
  readonly #waiting: Job[] = [];
  readonly #idle: WorkerClient[] = [];

  add(channel: WorkerClient): void {
    const job = this.#waiting.shift();
    if (job) channel.start(job, this);
    else this.#idle.push(channel);
  }

  submit(job: Job): void {
    const channel = this.#idle.pop();
    if (channel) return channel.start(job, this);
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

export type OnUncaught = (uncaught: Uncaught) => void;

function throwOn({ error }: Uncaught): never {
  throw error;
}

/** One Worker's port and what it is doing. */
class WorkerClient {
  #job: Job | undefined;
  #queue: RequestQueue | undefined;
  #id = 0;

  constructor(
    private readonly port: MessagePort,
    private readonly onUncaught: OnUncaught,
  ) {
    port.onmessage = ({ data }: MessageEvent<ReplyMessage>) => this.#receive(data);
  }

  start(job: Job, lane: RequestQueue): void {
    this.#job = job;
    this.#queue = lane;
    const message: RequestMessage = {
      id: ++this.#id,
      operation: job.operation,
      request: job.request,
    };
    if (job.signal) {
      const cancel = new SharedArrayBuffer(4);
      message.cancel = cancel;
      onAbort(job, () => Atomics.store(new Int32Array(cancel), 0, 1));
    }
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
    settle(job);
    this.#queue!.add(this);
  }

  close(error: DaemonError): void {
    this.port.close();
    this.#job?.reject(error);
    this.#job = undefined;
  }
}

/** The content Workers as one. */
export class Dispatcher {
  readonly #clients: WorkerClient[];
  readonly #quick = new RequestQueue();
  readonly #long: RequestQueue;
  /** How many Workers do long work at once. */
  readonly workers: number;
  #closed: DaemonError | undefined;

  /**
   * @param ports one a Worker; with several, the first is kept for quick requests
   * @param onUncaught told of what nothing caught in a Worker; what it did then fails by itself.
   *   Unless given, it is thrown on
   */
  constructor(ports: readonly MessagePort[], onUncaught: OnUncaught = throwOn) {
    if (ports.length === 0) throw new TypeError("Cannot have content without a Worker");
    this.#clients = ports.map((port) => new WorkerClient(port, onUncaught));
    this.#long = ports.length === 1 ? this.#quick : new RequestQueue();
    this.workers = Math.max(1, ports.length - 1);
    this.#clients.forEach((channel, at) => (at === 0 ? this.#quick : this.#long).add(channel));
  }

  /** Runs work that takes milliseconds, always on the same Worker. */
  quick<N extends OperationName>(operation: N, request: RequestOf<N>): Promise<ResponseOf<N>> {
    return this.#submit(this.#quick, operation, request, {});
  }

  /** Runs work that takes as long as it takes, on the first Worker that is free. */
  run<N extends OperationName>(
    operation: N,
    request: RequestOf<N>,
    options: RunOptions<EventOf<N>> = {},
  ): Promise<ResponseOf<N>> {
    return this.#submit(this.#long, operation, request, options);
  }

  #submit<N extends OperationName>(
    lane: RequestQueue,
    operation: N,
    request: RequestOf<N>,
    options: RunOptions<EventOf<N>>,
  ): Promise<ResponseOf<N>> {
    const { signal, onEvent, transfer = [] } = options;
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closed);
      if (signal?.aborted) return reject(aborted(signal));
      lane.submit({
        operation,
        request,
        signal,
        transfer,
        onEvent: (event) => onEvent?.(event as EventOf<N>),
        resolve: (response) => resolve(response as ResponseOf<N>),
        reject,
        unlisten: () => {},
      });
    });
  }

  /** Closes the ports; what is not done yet is rejected. */
  close(): void {
    this.#closed = new DaemonError("UNAVAILABLE", "the content Workers have been stopped");
    this.#quick.failAll(this.#closed);
    this.#long.failAll(this.#closed);
    for (const channel of this.#clients) channel.close(this.#closed);
  }
}
