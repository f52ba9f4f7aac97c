/**
 * A content Worker: serves one request at a time, with directory handles of the rooms and no
 * permission but the one to load libc.
 */

import { requireConfined } from "../confinement.ts";
import { toWire } from "../errors.ts";
import { openLibc } from "../linux/mod.ts";
import type { ContentWorkerStart } from "./boot.ts";
import { contentError } from "./failures.ts";
import { type Operation, operationContext } from "./operation.ts";
import { operations } from "./operations/mod.ts";
import type { ReplyMessage, RequestMessage } from "./protocol.ts";
import { openRooms } from "./rooms.ts";

function serve(start: ContentWorkerStart): void {
  requireConfined(["env", "ffi", "net", "read", "run", "sys", "write"]);
  openLibc(start.libc);
  const rooms = openRooms(start.rooms);
  const { port } = start;
  const reply = (message: ReplyMessage, transfer: Transferable[] = []) =>
    port.postMessage(message, transfer);

  port.onmessage = async ({ data }: MessageEvent<RequestMessage>) => {
    const { id, operation, request, cancel } = data;
    const context = operationContext<unknown>(
      cancel,
      (event, transfer) => reply({ kind: "event", id, event }, transfer),
    );
    try {
      // What a request holds is its operation's business; the pool's types tie the two together.
      const run = operations[operation] as Operation<unknown, unknown, unknown>;
      reply({ kind: "done", id, response: await run(rooms, request, context) });
    } catch (error) {
      reply({ kind: "failed", id, error: toWire(contentError(error)) });
    }
  };
}

globalThis.addEventListener(
  "message",
  (event) => serve((event as MessageEvent<ContentWorkerStart>).data),
  { once: true },
);
