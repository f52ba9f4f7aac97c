/** Runs `confined_worker.ts` with the permissions that the store asks for, and prints its result. */

import { storePermissions } from "../../src/store/kinds.ts";
import { Resident } from "../fixtures/resident.ts";
import type { ConfinedRun } from "./confined_worker.ts";

const job = JSON.parse(Deno.args[0]!) as ConfinedRun;
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
const answered = (size: number): Promise<string> => {
  const { promise, resolve } = Promise.withResolvers<string>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => resolve(`failed: ${event.message}`);
  worker.postMessage({ ...job, size });
  return promise;
};
let result = await answered(1 << 20);
// Resident memory is the process's own: what is there by now is code, and no blob.
const resident = new Resident(Deno.pid);
const idle = resident.now();
resident.forgetPeak();
if (result === "ok" && job.size !== undefined) result = await answered(job.size);
const grown = resident.peak() - idle;
worker.terminate();
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ result, grown }) + "\n"));
