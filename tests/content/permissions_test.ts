import { assertEquals } from "@std/assert";
import { workerPermissions } from "../fixtures/content.ts";

Deno.test("a content Worker can do nothing but load the C library", async () => {
  const worker = new Worker(new URL("./forbidden_worker.ts", import.meta.url), {
    type: "module",
    deno: { permissions: workerPermissions() },
  });
  const results = await new Promise<Record<string, string>>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(workerPermissions().ffi);
  });
  worker.terminate();
  const { "load the C library": allowed, ...forbidden } = results;
  assertEquals(allowed, "done");
  assertEquals(Object.keys(forbidden).length, 13);
  for (const [attempt, outcome] of Object.entries(forbidden)) {
    assertEquals(`${attempt}: ${outcome}`, `${attempt}: NotCapable`);
  }
});
