/// <reference lib="deno.worker" />

/** A content Worker of the daemon's own that also tries what it is asked to, by libc. */

import "../../src/content/worker.ts";

/** A call of libc: numbers, and texts with a NUL after them. */
export interface Call {
  function: keyof typeof SYMBOLS;
  arguments: readonly (number | string)[];
}

const SYMBOLS = {
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  truncate: { parameters: ["buffer", "i64"], result: "i32" },
  unlink: { parameters: ["buffer"], result: "i32" },
  mkdir: { parameters: ["buffer", "u32"], result: "i32" },
  rename: { parameters: ["buffer", "buffer"], result: "i32" },
  link: { parameters: ["buffer", "buffer"], result: "i32" },
  system: { parameters: ["buffer"], result: "i32" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  /** The function of that name would have every other thread do the same, and end the process. */
  setuid: { name: "syscall", parameters: ["i32", "u32"], result: "i32" },
  kill: { parameters: ["i32", "i32"], result: "i32" },
  ptrace: { parameters: ["i32", "i32", "usize", "usize"], result: "i64" },
  setpriority: { parameters: ["i32", "u32", "i32"], result: "i32" },
  mount: { parameters: ["buffer", "buffer", "buffer", "usize", "usize"], result: "i32" },
  sethostname: { parameters: ["buffer", "usize"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

addEventListener(
  "message",
  ({ data }: MessageEvent<{ kind: string; libc: string; calls: Call[] }>) => {
    if (data.kind !== "try") return;
    const { symbols } = Deno.dlopen(data.libc, {
      ...SYMBOLS,
      __errno_location: { parameters: [], result: "pointer" },
      memcpy: { parameters: ["buffer", "pointer", "usize"], result: "pointer" },
    });
    const errno = new Int32Array(1);
    const encoder = new TextEncoder();
    postMessage({
      kind: "tried",
      results: data.calls.map((call) => {
        const run = symbols[call.function] as (...args: unknown[]) => number | bigint;
        const args = call.arguments.map((each) =>
          typeof each === "string" ? encoder.encode(`${each}\0`) : each
        );
        const result = Number(run(...args));
        if (result !== -1) return result;
        symbols.memcpy(new Uint8Array(errno.buffer), symbols.__errno_location(), 4n);
        return -errno[0]!;
      }),
    });
  },
);
