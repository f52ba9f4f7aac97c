import { assertEquals, assertMatch } from "@std/assert";
import { FAULTS } from "./faults.ts";

/** A Worker with the daemon's last handler. */
class Victim implements Disposable {
  readonly #worker = new Worker(new URL("./uncaught_worker.ts", import.meta.url), {
    type: "module",
  });
  readonly #died = Promise.withResolvers<never>();

  constructor() {
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#died.reject(new Error(`the Worker died: ${event.message}`));
    };
    this.#died.promise.catch(() => {});
  }

  /** Has it throw. @returns what its handler saw */
  async provoke(name: string): Promise<{ count: number; failure?: string }> {
    const { promise, resolve } = Promise.withResolvers<{ count: number; failure?: string }>();
    this.#worker.onmessage = ({ data }) => resolve(data);
    this.#worker.postMessage(name);
    return await Promise.race([promise, this.#died.promise]);
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}

Deno.test("what is thrown where nobody catches it is counted, and the thread serves on", async (t) => {
  using victim = new Victim();
  for (const [name, { isAttributed }] of Object.entries(FAULTS)) {
    await t.step(name, async () => {
      const { count, failure } = await victim.provoke(name);
      assertEquals(count, 1);
      if (isAttributed) assertMatch(failure ?? "", new RegExp(`^a bug, \\S{36} in .*: ${name}$`));
      else assertEquals(failure, undefined);
    });
  }
});
