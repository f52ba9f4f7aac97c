/** Runs `confined_worker.ts` with the permissions that the store asks for, and prints its result. */

import { storePermissions } from "../../src/store/permissions.ts";
import type { ConfinedJob } from "./confined_worker.ts";

const job = JSON.parse(Deno.args[0]!) as ConfinedJob;
const wanted = storePermissions(job.storage, (name) => Deno.env.get(name));
const folders = [job.spoolDir, ...(job.storage.kind === "fs" ? [job.storage.path] : [])];
const worker = new Worker(new URL("./confined_worker.ts", import.meta.url), {
  type: "module",
  deno: {
    permissions: {
      net: wanted.net,
      env: wanted.env,
      read: [...folders, ...wanted.read],
      write: folders,
      run: false,
      ffi: false,
      sys: wanted.sys.length > 0 ? wanted.sys : false,
      import: false,
    },
  },
});
// Resident memory is the process's own: the peak is looked for while the Worker works.
let peak = Deno.memoryUsage().rss;
const watch = setInterval(() => peak = Math.max(peak, Deno.memoryUsage().rss), 20);
const answered = Promise.withResolvers<string>();
worker.onmessage = ({ data }) => answered.resolve(data);
worker.onerror = (event) => answered.resolve(`failed: ${event.message}`);
worker.postMessage(job);
const result = await answered.promise;
clearInterval(watch);
worker.terminate();
await Deno.stdout.write(
  new TextEncoder().encode(JSON.stringify({ result, peak }) + "\n"),
);
