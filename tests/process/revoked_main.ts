/** wsdaemon itself, which also prints what the main thread may still do once that changes. */

const NAMES = ["env", "ffi", "import", "net", "read", "run", "sys", "write"] as const;

/** Milliseconds after which it prints that nothing has changed. */
const LIMIT = 30_000;

const timer = setInterval(() => {
  const granted = NAMES.filter((name) => Deno.permissions.querySync({ name }).state === "granted");
  if (granted.length === NAMES.length && performance.now() < LIMIT) return;
  clearInterval(timer);
  const line = `the main thread may ${granted.join(", ") || "nothing"}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
}, 10);

await import("../../main.ts");
