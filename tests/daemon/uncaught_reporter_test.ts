import { assert, assertEquals } from "@std/assert";
import { FAULTS } from "./faults.ts";

/** What the handler made of something thrown. */
interface Seen {
  count: number;
  failure?: string;
  log: string;
}

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
  async provoke(name: string): Promise<Seen> {
    const { promise, resolve } = Promise.withResolvers<Seen>();
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
      const { count, failure, log } = await victim.provoke(name);
      assertEquals(count, 1);
      const bug = /Bug "(\S{36})", .*: nothing caught the "(?:exception|rejection)" /.exec(log)
        ?.[1];
      assert(bug !== undefined, log);
      const told = isAttributed ? `a bug, ${bug} in wsdaemon's log: ` : undefined;
      assertEquals(failure?.slice(0, told?.length), told);
    });
  }
});
