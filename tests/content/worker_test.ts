import { assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { ContentWorkerFailed, ContentWorkerStart } from "../../src/content/worker_start.ts";
import { libcPath } from "../../src/process/libc.ts";
import { areasOf, workerPermissions } from "../fixtures/content.ts";
import { testFolder } from "../fixtures/folder.ts";

/** Why a Worker that is started so does not serve. */
async function failureOf(start: Partial<ContentWorkerStart>, root: string): Promise<string> {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL("../../src/content/worker.ts", import.meta.url), {
    type: "module",
    deno: { permissions: workerPermissions() },
  });
  const failed = new Promise<string>((resolve) => {
    worker.onmessage = ({ data }: MessageEvent<ContentWorkerFailed>) => resolve(data.message);
  });
  const areas = areasOf(root);
  worker.postMessage({ kind: "start", libc: libcPath(), areas, port: port2, ...start }, [port2]);
  const message = await failed;
  worker.terminate();
  port1.close();
  return message;
}

Deno.test("a Worker whose areas are not there, or are links, says so and names the folder", async () => {
  using folder = testFolder();
  const areas = areasOf(folder.path);
  assertStringIncludes(
    await failureOf({}, folder.path),
    `Cannot open the workspaces folder ${areas.workspaces}`,
  );
  Deno.symlinkSync("/", join(folder.path, "workspaces"));
  assertStringIncludes(await failureOf({}, folder.path), "workspaces");
});

Deno.test("a Worker that is given another library fails by its permissions", async () => {
  using folder = testFolder();
  const message = await failureOf({ libc: "/lib64/ld-linux-x86-64.so.2" }, folder.path);
  assertStringIncludes(message, "ffi access");
});
