/**
 * A content Worker: serves one request at a time, with directory handles of the areas, no permission
 * except to load libc, and a thread that the kernel holds to the areas.
 */

import { requireConfined } from "../confinement.ts";
import { configureFileSystems, messageOf, toWire } from "../errors.ts";
import { openLibc } from "../linux/mod.ts";
import type { ContentWorkerStart, FromContentWorker } from "./worker_start.ts";
import { configureIdMap, configureRenumbering } from "./id_map.ts";
import { confineWorker } from "./confine_worker.ts";
import { contentError } from "./content_errors.ts";
import { type Operation, operationContext } from "./operation.ts";
import { operations } from "./operations/mod.ts";
import { handleUncaught } from "../uncaught.ts";
import { collectAfterStart } from "../memory.ts";
import type { ReplyMessage, RequestMessage } from "./protocol.ts";
import { openAreas } from "./areas.ts";
import { yieldTo } from "./priority.ts";
import { removedArea } from "./removed_area.ts";
import { ActiveRequest } from "./active_request.ts";
import { RequestMemory } from "./request_memory.ts";

/** The spawner, as the Worker posts to it; `self` has no types for that here. */
interface Spawner {
  postMessage(message: FromContentWorker): void;
}

/**
 * Serves, or posts in one line why it cannot: all Workers fail alike, and each would print its trace.
 */
function start(message: ContentWorkerStart): void {
  const spawner = self as unknown as Spawner;
  try {
    const priorityRefused = serve(message);
    spawner.postMessage({ kind: "serving", priorityRefused });
    collectAfterStart();
  } catch (error) {
    spawner.postMessage({ kind: "failed", message: messageOf(error) });
  }
}

/** Binds this thread and serves. @returns why it does not have its priority */
function serve(start: ContentWorkerStart): string | undefined {
  requireConfined(["env", "ffi", "net", "read", "run", "sys", "write"]);
  configureFileSystems(() => start.fileSystems ?? []);
  openLibc(start.libc);
  configureIdMap(start.idMap ?? []);
  configureRenumbering(start.renumber ?? []);
  // Before the filter, which refuses any further change.
  const priorityRefused = yieldTo(start.priority ?? "normal");
  if (start.confinement) confineWorker(start.confinement, start.areas, start.readOnly);
  const areas = openAreas(start.areas);
  const { port } = start;
  const reply = (message: ReplyMessage, transfer: Transferable[] = []) =>
    port.postMessage(message, transfer);

  let running: ActiveRequest | undefined;
  handleUncaught(({ kind, error }) => {
    reply({ kind: "uncaught", what: kind, error: toWire(error) });
    running?.fail(error);
  });
  port.onmessage = async ({ data }: MessageEvent<RequestMessage>) => {
    const { id, operation, request } = data;
    const memory = new RequestMemory(data.memory);
    const context = operationContext<unknown>(
      memory,
      (event, transfer) => reply({ kind: "event", id, event }, transfer),
    );
    const current = running = new ActiveRequest(id, memory, reply);
    try {
      // `Dispatcher.run` is typed by the operations table, so that the request fits the operation.
      const run = operations[operation] as Operation<unknown, unknown, unknown>;
      const response = await run(areas, request, context);
      current.answer({ kind: "done", id, response });
    } catch (error) {
      const reported = removedArea(error, areas, start.areas) ?? contentError(error);
      current.answer({ kind: "failed", id, error: toWire(reported) });
    }
  };
  return priorityRefused;
}

globalThis.addEventListener(
  "message",
  (event) => start((event as MessageEvent<ContentWorkerStart>).data),
  { once: true },
);
