/**
 * Runs the unit tests of `src/linux` inside the emulated machine, where there is no `deno test`: compiled
 * into one binary, they are given a `Deno.test` that collects them. Prints a line for each, and a sum.
 */

interface Collected {
  readonly name: string;
  readonly ignore?: boolean;
  readonly fn: (context: Deno.TestContext) => void | Promise<void>;
}

const collected: Collected[] = [];

function collect(first: string | Collected, fn?: Collected["fn"]): void {
  collected.push(typeof first === "string" ? { name: first, fn: fn! } : first);
}

Object.defineProperty(Deno, "test", { value: collect });

// Later, as importing them is what collects.
await import("../../tests/linux/errno_test.ts");
await import("../../tests/linux/directory_test.ts");
await import("../../tests/linux/file_test.ts");
await import("../../tests/linux/long_path_test.ts");
await import("../../tests/linux/process_test.ts");
await import("../../tests/linux/syscall_errors_test.ts");
// Last, as this thread is bound from then on.
await import("./confinement_probe.ts");

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Steps are run, and counted as part of their test. */
const context = {
  name: "",
  origin: import.meta.url,
  async step(first: string | Collected, fn?: Collected["fn"]): Promise<boolean> {
    await (typeof first === "string" ? fn! : first.fn)(context);
    return true;
  },
} as Deno.TestContext;

let failed = 0;
let ignored = 0;
for (const { name, ignore, fn } of collected) {
  if (ignore) {
    ignored++;
    print(`ignored: ${name}`);
    continue;
  }
  try {
    await fn(context);
    print(`ok: ${name}`);
  } catch (error) {
    failed++;
    print(`FAILED: ${name}: ${error instanceof Error ? error.stack : error}`);
  }
}
const passed = collected.length - failed - ignored;
print(`${Deno.build.arch}: ${passed} passed, ${failed} failed, ${ignored} ignored`);
