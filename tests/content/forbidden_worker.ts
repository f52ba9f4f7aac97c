/// <reference lib="deno.worker" />

/** Tries what a content Worker must not be able to do, and says how each ended. */

const ATTEMPTS: Record<string, () => unknown> = {
  "read a file": () => Deno.readTextFileSync("/etc/passwd"),
  "read through node": async () => (await import("node:fs")).readFileSync("/etc/passwd"),
  "list a folder": () => Deno.readDirSync("/tmp").toArray(),
  "write a file": () => Deno.writeTextFileSync("/tmp/wsdaemon-forbidden", "x"),
  "run a program": () => new Deno.Command("/bin/true").outputSync(),
  "connect": () => Deno.connect({ hostname: "127.0.0.1", port: 9 }),
  "listen": () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close(),
  "read the environment": () => Deno.env.get("PATH"),
  "change the environment": () => Deno.env.set("WSDAEMON_FORBIDDEN", "x"),
  "ask about the system": () => Deno.hostname(),
  "load another library": () => Deno.dlopen("/lib64/ld-linux-x86-64.so.2", {}),
  "load the C library by another name": () => Deno.dlopen("libc.so.6", {}),
  "read memory": () => Deno.UnsafePointer.create(4096n),
};

self.onmessage = async ({ data: [libc] }: MessageEvent<string[]>) => {
  const results: Record<string, string> = {};
  const attempts = {
    ...ATTEMPTS,
    "load the C library": () => Deno.dlopen(libc!, { getpid: { parameters: [], result: "i32" } }),
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    try {
      await attempt();
      results[name] = "done";
    } catch (error) {
      results[name] = error instanceof Error ? error.name : String(error);
    }
  }
  self.postMessage(results);
};
