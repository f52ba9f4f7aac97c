/** Real content Workers, as restricted as the daemon's, on rooms under a test's folder. */

import { join } from "@std/path";
import type { ContentWorkerFailed, ContentWorkerStart, Rooms } from "../../src/content/boot.ts";
import { connectContent, type ConnectedContent } from "../../src/content/pool.ts";
import { libcPath } from "../../src/process/libc.ts";
import { judged } from "./judge.ts";

export interface TestContent extends AsyncDisposable {
  readonly content: ConnectedContent;
  readonly rooms: Required<Rooms>;
  /** Stops the Workers; the folders stay. */
  close(): void;
}

/** Where the rooms are under a root, as on a node. */
export function roomsOf(root: string): Required<Rooms> {
  return {
    workspaces: join(root, "workspaces"),
    staging: join(root, "tmp", "staging"),
    trash: join(root, "tmp", "trash"),
    spool: join(root, "tmp", "spool"),
    baselines: join(root, "state", "baselines"),
    blobs: join(root, "store"),
  };
}

/** What a content Worker may do: load the C library. */
export function workerPermissions(): Deno.PermissionOptionsObject {
  return {
    env: false,
    ffi: [libcPath()],
    import: false,
    net: false,
    read: false,
    run: false,
    sys: false,
    write: false,
  };
}

/** Content Workers, not yet connected to anything. */
export interface TestWorkers {
  readonly rooms: Required<Rooms>;
  readonly ports: MessagePort[];
  terminate(): void;
}

/** Makes the rooms under `root` and starts `count` Workers on them. */
export function startWorkers(root: string, count: number): TestWorkers {
  const rooms = roomsOf(root);
  for (const path of Object.values(rooms)) Deno.mkdirSync(path, { recursive: true });
  for (const closed of ["state", "tmp", "store"]) Deno.chmodSync(join(root, closed), 0o700);

  const workers: Worker[] = [];
  const ports: MessagePort[] = [];
  for (let i = 0; i < count; i++) {
    const { port1, port2 } = new MessageChannel();
    const worker = new Worker(new URL("../../src/content/worker.ts", import.meta.url), {
      type: "module",
      name: `content-${i}`,
      deno: { permissions: workerPermissions() },
    });
    worker.onmessage = ({ data }: MessageEvent<ContentWorkerFailed>) => {
      throw new Error(data.message);
    };
    const start: ContentWorkerStart = { kind: "start", libc: libcPath(), rooms, port: port2 };
    worker.postMessage(start, [port2]);
    workers.push(worker);
    ports.push(port1);
  }
  return { rooms, ports, terminate: () => workers.forEach((worker) => worker.terminate()) };
}

/**
 * {@link startWorkers}, as Content.
 * @param options.workers how many do long work; one more serves quick requests (default 1)
 */
export function startContent(root: string, options: { workers?: number } = {}): TestContent {
  const { rooms, ports, terminate } = startWorkers(root, 1 + (options.workers ?? 1));
  const content = judged(connectContent(ports), rooms);
  const close = () => {
    content.close();
    terminate();
  };
  return {
    content,
    rooms,
    close,
    [Symbol.asyncDispose]() {
      close();
      return Promise.resolve();
    },
  };
}
