/** Opens and closes until told to stop, as a content Worker does; says how often it went wrong. */

import { Directory, openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";

declare const self: {
  onmessage: ((event: MessageEvent<SharedArrayBuffer>) => void) | null;
  postMessage(message: unknown): void;
};

self.onmessage = ({ data }) => {
  openLibc(libcPath());
  const stop = new Int32Array(data);
  const lost: string[] = [];
  self.postMessage("started");
  while (Atomics.load(stop, 0) === 0) {
    try {
      Directory.open("/", "root").close();
    } catch (error) {
      lost.push(String(error));
    }
  }
  self.postMessage(lost);
};
