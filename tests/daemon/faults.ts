/** Ways to throw where nobody catches, for modules that run in a Worker. */

import { EventEmitter } from "node:events";
import { connect, createServer } from "node:net";
import { Readable } from "node:stream";
import { setImmediate, setTimeout as setNodeTimeout } from "node:timers";
import process from "node:process";

/** The kinds of event that a fault ends as, and whether the runtime still knows its operation. */
export interface Fault {
  throws(error: Error): void;
  isAttributed: boolean;
}

/** By what throws. */
export const FAULTS: Record<string, Fault> = {
  "a timer": { throws: (error) => setTimeout(() => raise(error)), isAttributed: false },
  "a timer of Node's": {
    throws: (error) => setNodeTimeout(() => raise(error)),
    isAttributed: false,
  },
  "an immediate": { throws: (error) => setImmediate(() => raise(error)), isAttributed: false },
  "a microtask": { throws: (error) => queueMicrotask(() => raise(error)), isAttributed: true },
  "a next tick": { throws: (error) => process.nextTick(() => raise(error)), isAttributed: true },
  "a rejected promise": { throws: (error) => void Promise.reject(error), isAttributed: true },
  "an async function that nobody awaits": {
    throws: (error) =>
      void (async () => {
        await Promise.resolve();
        raise(error);
      })(),
    isAttributed: true,
  },
  "what throws when it is looked at": {
    throws: (error) => {
      const cannot = () => raise(error);
      void Promise.reject({
        toString: cannot,
        get message() {
          return cannot();
        },
      });
    },
    isAttributed: true,
  },
  "a listener of an abort": {
    throws: (error) => {
      const controller = new AbortController();
      controller.signal.addEventListener("abort", () => raise(error));
      controller.abort();
    },
    isAttributed: true,
  },
  "the timer of a signal": {
    throws: (error) => AbortSignal.timeout(1).addEventListener("abort", () => raise(error)),
    isAttributed: false,
  },
  "a message port": {
    throws: (error) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        raise(error);
      };
      port2.postMessage(0);
    },
    isAttributed: true,
  },
  "an error event that nobody listens to": {
    throws: (error) => setTimeout(() => new EventEmitter().emit("error", error)),
    isAttributed: false,
  },
  "a stream": {
    throws: (error) => {
      const stream = new Readable({ read: () => {} });
      stream.destroy(error);
    },
    isAttributed: true,
  },
  "a socket's data": { throws: (error) => onSocket("data", error), isAttributed: false },
  "a socket's end": { throws: (error) => onSocket("end", error), isAttributed: false },
};

function raise(error: Error): never {
  throw error;
}

function onSocket(event: "data" | "end", error: Error): void {
  const server = createServer((socket) => socket.end("data"));
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as { port: number };
    const socket = connect(port, "127.0.0.1");
    socket.on("data", () => {});
    socket.on(event, () => {
      socket.destroy();
      server.close();
      raise(error);
    });
  });
}
